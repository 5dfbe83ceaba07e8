/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_OPTIONS_H
#define MF_IMAGE_OPTIONS_H

#include <mayfly/image.h>

/* The options as given (NULL is fine), with every default filled in. */
int mf_image_options_take(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err);

#endif
