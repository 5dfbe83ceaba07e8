/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_OPTIONS_H
#define MF_IMAGE_OPTIONS_H

#include <mayfly/image.h>

/* Copies the caller's image options (NULL is fine) to *ret as they are. Returns 0 or -EINVAL. */
int mf_image_options_copy(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err);

/* Copies the caller's image options (NULL is fine) to *ret, and fills in the values of the environment and the defaults.
 * Returns 0 or negative errno. */
int mf_image_options_take(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err);

#endif
