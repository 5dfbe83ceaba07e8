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

/* Whether `text` is the name of an image or layer in the store: an ID in lower case, or the digest of an OCI image or layer,
 * "sha256-<64 hex>" or "sha512-<128 hex>". */
int mf_image_id_is_canonical(const char *text);

/* Copies to *ret the name in the store for a digest of the OCI specification, "sha256:<64 hex>" or "sha512:<128 hex>". Returns 0, or
 * -EINVAL (and leaves *ret alone) when `text` is not such a digest. */
int mf_image_id_of_digest(const char *text, char ret[MF_ID_LENGTH + 1]);

/* Copies to *ret the digest, with ":", for a name in the store. */
void mf_digest_of_image_id(const char *id, char ret[MF_ID_LENGTH + 1]);

#endif
