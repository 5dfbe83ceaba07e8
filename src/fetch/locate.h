/* SPDX-License-Identifier: MIT */
#ifndef MF_LOCATE_H
#define MF_LOCATE_H

/* Looks for the image of a reference: tries every place where it may be, until one has it. For a URL the places are its
 * mirrors and then the URL itself. For a name they are the user's templates, then simple discovery
 * (https://NAME-VERSION-OS-ARCH.aci), then meta discovery. */

#include <mayfly/image.h>

#include "model/reference.h"

/* Calls `each` with one URL after another, and the URL of its signature, until it returns 0. Errors in fetching, verifying or
 * unpacking lead to the next place; other errors end the search. When no place has the image, the message has the error of each
 * place. `options` has final values, `text` is the reference, for progress. Returns 0 or negative errno. */
int mf_locate(const struct mf_reference *reference, const char *text, const struct mayfly_image_options *options,
              int (*each)(void *userdata, const char *url, const char *signature, struct mayfly_error *err),
              void *userdata, struct mayfly_error *err);

#endif
