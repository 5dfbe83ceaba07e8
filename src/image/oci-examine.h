/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_EXAMINE_H
#define MF_OCI_EXAMINE_H

/* The facts about an OCI image, for `mayfly pin`, `inspect` and `validate`. */

#include "image/pull.h"

/* Reads the manifest and the configuration of an image that need not be stored, and no layer. `bare` is the reference without a pin.
 * ret->manifest is the configuration, the ID is that of the pin, blob_size that of all blobs. *ret is for mf_examined_clear(), and set on
 * success only. Returns 0 or negative errno. */
int mf_oci_examine(struct mf_examined *ret, const struct mf_reference *reference, const char *bare,
                   const struct mayfly_image_options *options, struct mayfly_error *err);

/* Checks all images of a layout or archive to their ends: documents, sizes, digests, layers. *ret is about the first, and as above. Messages do not
 * have the name of the file. Returns 0 or negative errno. */
int mf_oci_validate(struct mf_examined *ret, const char *path, const struct mayfly_image_options *options,
                    struct mayfly_error *err);

#endif
