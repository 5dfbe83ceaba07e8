/* SPDX-License-Identifier: MIT */
#ifndef MF_DIGEST_H
#define MF_DIGEST_H

/* SHA-512 or SHA-256 of a stream, which images are pinned by; and checksums, which the store's records are made of. Only user of
 * libcrypto. */

#include <stddef.h>

#include "model/reference.h"

struct mf_digest;

struct mf_digest *mf_digest_new(void); /* NULL: out of memory, or libcrypto lacks SHA-512 */
/* The same with the algorithm of `id`, "sha256-..." or "sha512-...". */
struct mf_digest *mf_digest_new_like(const char *id);
int mf_digest_update(struct mf_digest *digest, const void *data, size_t size); /* 0 or -EIO */
int mf_digest_final(struct mf_digest *digest, char id[MF_ID_LENGTH + 1]);      /* "sha512-..." or "sha256-..." */
struct mf_digest *mf_digest_free(struct mf_digest *digest);                    /* returns NULL */

/* 128 bits to tell by whether something has changed by itself or by mistake, at a tenth of a hash's cost: Poly1305
 * under a key that everybody knows. Who may write in the store could forge it, but could write another record as well.
 */
#define MF_MAC_LENGTH 32 /* hex digits */

struct mf_mac;

struct mf_mac *mf_mac_new(void);      /* NULL: out of memory, or libcrypto lacks Poly1305 */
int mf_mac_begin(struct mf_mac *mac); /* anew; 0 or -EIO, as below */
int mf_mac_update(struct mf_mac *mac, const void *data, size_t size);
int mf_mac_final(struct mf_mac *mac, char ret[MF_MAC_LENGTH + 1]); /* then begin anew */
struct mf_mac *mf_mac_free(struct mf_mac *mac);                    /* returns NULL */

#endif
