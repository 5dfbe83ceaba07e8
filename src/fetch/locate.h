/* SPDX-License-Identifier: MIT */
#ifndef MF_LOCATE_H
#define MF_LOCATE_H

/* From a reference to an image: every place where it may be is tried until one has it. For a URL these are its mirrors
 * and then itself; for a name the user's templates, simple discovery (https://NAME-VERSION-OS-ARCH.aci), meta
 * discovery. */

#include <mayfly/image.h>

#include "model/reference.h"

/* `each` tries one URL, whose signature would be at another, and returns 0 when that had the image. Errors of fetching,
 * verifying or unpacking lead to the next place, others end the search. When no place has it the message says what each
 * came to. `options` has final values, `text` is the reference's, for progress. */
int mf_locate(const struct mf_reference *reference, const char *text, const struct mayfly_image_options *options,
              int (*each)(void *userdata, const char *url, const char *signature, struct mayfly_error *err),
              void *userdata, struct mayfly_error *err);

#endif
