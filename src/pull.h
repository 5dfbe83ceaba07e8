/* SPDX-License-Identifier: MIT */
#ifndef MF_PULL_H
#define MF_PULL_H

/* One bounded pipeline: GET | decompress + hash | untar, each stage a thread, a ring of fixed size between them, so
 * that memory does not grow with the image. */

#include <mayfly/image.h>

#include "reference.h"

/* Fetches the image `reference` into the folder `dirfd`, which is empty and stays the caller's to remove on failure:
 * on success it has `manifest` (checked) and `rootfs`, and the archive's digest was the pinned one. The calling thread
 * reports progress (WAIT and DONE are the caller's to report). `options` has final values, no defaults. */
int mf_pull(const struct mf_reference *reference, const char *reference_text, int dirfd,
            const struct mayfly_image_options *options, struct mayfly_error *err);

#endif
