/* SPDX-License-Identifier: MIT */
#ifndef MF_DEPENDENCIES_H
#define MF_DEPENDENCIES_H

/* Opens all dependencies of an image, direct and indirect, and fetches those that are not stored.
 *
 * A manifest must give the whole ID of each dependency. Then the pin of the image pins them all: its ID is the digest of an
 * archive with a manifest with the IDs of its dependencies. */

#include "image/get.h"

#define MF_DEPENDENCIES_MAX 127U      /* images, each counted once */
#define MF_DEPENDENCY_EDGES_MAX 1000U /* entries in all their manifests */

/* Fills in image->dependencies. `request` opened the image; all of it but the reference applies to the dependencies, too. Calls
 * its progress callback in this thread only. Returns 0 or negative errno; -ENOENT without an error: see only_stored in get.h. */
int mf_dependencies_open(struct mayfly_image *image, const struct mf_image_request *request, struct mayfly_error *err);

/* Returns the open image for an entry of a manifest. */
const struct mayfly_image *mf_dependency(const struct mayfly_image *image, const struct mf_dependency *dependency);

#endif
