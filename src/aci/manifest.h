/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_H
#define MF_MANIFEST_H

/* Turns an appc image manifest into an image configuration, which knows nothing of appc. The whole manifest is checked. */

#include <mayfly/error.h>

#include "model/image-config.h"

/* Parses `size` bytes of JSON. *ret is set on success only; the caller owns it. Returns 0, or
 * -EBADMSG for a bad manifest, with the JSON path and the offending value in the message. */
int mf_manifest_parse(struct mf_image_config **ret, const char *json, size_t size, struct mayfly_error *err);

#endif
