/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_ID_H
#define MF_IMAGE_ID_H

/* The text of an image ID: "sha512-" and 128 hex digits, the SHA-512 of the uncompressed archive. */

#define MF_ID_PREFIX "sha512-"
#define MF_ID_PREFIX_LENGTH 7
#define MF_ID_DIGITS 128
#define MF_ID_LENGTH (MF_ID_PREFIX_LENGTH + MF_ID_DIGITS)

/* Whether `text` begins with "sha512-", in upper or lower case. */
int mf_image_id_has_prefix(const char *text);

/* Copies the ID `text` to *ret, in lower case. Returns 0, or -EINVAL (and leaves *ret alone) when `text` is not an ID. */
int mf_image_id_parse(const char *text, char ret[MF_ID_LENGTH + 1]);

/* Whether `text` is an ID in lower case, as mayfly writes it. */
int mf_image_id_is_canonical(const char *text);

#endif
