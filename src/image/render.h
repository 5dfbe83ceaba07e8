/* SPDX-License-Identifier: MIT */
#ifndef MF_RENDER_H
#define MF_RENDER_H

/* From an image and what it depends on to the folders that overlayfs is to lay over each other. */

#include "image/open.h"

#define MF_LAYERS_MAX 200U /* overlayfs takes 500, less what others may want of them */

/* Fills in image->layers and the locks on what was made for them. The image's dependencies are there already. */
int mf_render(struct mayfly_image *image, int store, const char *path, struct mayfly_error *err);

#endif
