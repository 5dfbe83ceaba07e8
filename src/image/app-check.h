/* SPDX-License-Identifier: MIT */
#ifndef MF_APP_CHECK_H
#define MF_APP_CHECK_H

/* Whether a container could start the app of an image that is being built, which must have one. */

#include "image/contents.h"

/* Calls `warn` with a line of text, not escaped, for each thing that would keep the app from starting. Nothing is said of what may
 * come from elsewhere: from an image that this one depends on, or from a volume. */
void mf_app_check(const struct mf_image_config *config, const struct mf_contents *contents,
                  void (*warn)(void *userdata, const char *text), void *userdata);

#endif
