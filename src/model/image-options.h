/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_OPTIONS_H
#define MF_IMAGE_OPTIONS_H

#include <mayfly/image.h>

/* Copies the caller's image options (NULL is fine) to *ret, with every default and what the environment says filled in.
 * Returns 0 or negative errno. */
int mf_image_options_take(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err);

#endif
