/* SPDX-License-Identifier: MIT */
#ifndef MF_DIGEST_H
#define MF_DIGEST_H

/* SHA-512 of a stream, as images are pinned by, and SHA-256 of many small ones, as the store records its files by (the
 * faster of the two on processors that know it). Only user of libcrypto. */

#include <stddef.h>

#include "reference.h"

struct mf_digest;

struct mf_digest *mf_digest_new(void); /* NULL: out of memory, or libcrypto lacks SHA-512 */
int mf_digest_update(struct mf_digest *digest, const void *data, size_t size); /* 0 or -EIO */
int mf_digest_final(struct mf_digest *digest, char id[MF_ID_LENGTH + 1]);      /* "sha512-..." */

#define MF_SUM_LENGTH 64                                                  /* hex digits */
struct mf_digest *mf_digest_new_sum(void);                                /* as mf_digest_new() */
int mf_digest_sum(struct mf_digest *digest, char sum[MF_SUM_LENGTH + 1]); /* and begins anew; 0 or -EIO */

struct mf_digest *mf_digest_free(struct mf_digest *digest); /* returns NULL */

#endif
