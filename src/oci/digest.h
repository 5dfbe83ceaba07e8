/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_DIGEST_H
#define MF_OCI_DIGEST_H

/* Digests of documents. */

#include <mayfly/error.h>

#include "model/image-id.h"
#include "util/buffer.h"

/* Sets *ret to the digest of the bytes, "sha256:...", by the algorithm that `like` begins with. Returns 0 or negative errno. */
int mf_oci_digest(const struct mf_buffer *bytes, const char *like, char ret[MF_ID_LENGTH + 1],
                  struct mayfly_error *err);

#endif
