/* SPDX-License-Identifier: MIT */
#ifndef MF_DEPENDENCIES_H
#define MF_DEPENDENCIES_H

/* Opens all images that an image depends on, and those that these depend on, fetching what is not stored.
 *
 * Each must be named by its whole ID. Then the pin of the first one pins them all: its ID is the digest of its archive,
 * in which its manifest is, in which the IDs of the others are. */

#include "image/get.h"

#define MF_DEPENDENCIES_MAX 127U      /* images, each counted once */
#define MF_DEPENDENCY_EDGES_MAX 1000U /* entries in all their manifests */

/* Fills in image->dependencies. `request` is the one that the image was opened by: all but its reference holds for the
 * others, too. Its progress callback is called in this thread only. */
int mf_dependencies_open(struct mayfly_image *image, const struct mf_image_request *request, struct mayfly_error *err);

/* The image that was opened for an entry of a manifest. */
const struct mayfly_image *mf_dependency(const struct mayfly_image *image, const struct mf_dependency *dependency);

/* -ELOOP when an image depends, in the end, on one of its own name and labels. By ID none can. */
int mf_dependencies_check_cycles(const struct mayfly_image *image, struct mayfly_error *err);

#endif
