/* SPDX-License-Identifier: MIT */
#ifndef MF_RENDER_H
#define MF_RENDER_H

/* Lists the directories that overlayfs is to lay over each other for an image and its dependencies. */

#include "image/get.h"

#define MF_LAYERS_MAX 200U /* overlayfs takes 500, and mayfly-launch needs some of them */

/* Fills in image->layers, and the locks on layers in the cache. image->dependencies must be filled in. `request` opened the
 * image. Returns 0 or negative errno; -ENOENT without an error: see only_stored in get.h. */
int mf_render(struct mayfly_image *image, const struct mf_image_request *request, struct mayfly_error *err);

#endif
