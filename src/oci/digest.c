/* SPDX-License-Identifier: MIT */
#include "oci/digest.h"

#include <errno.h>

#include "archive/digest.h"
#include "util/error.h"

int mf_oci_digest(const struct mf_buffer *bytes, const char *like, char ret[MF_ID_LENGTH + 1], struct mayfly_error *err)
{
        struct mf_digest *digest = mf_digest_new_like(like);
        char id[MF_ID_LENGTH + 1];
        int fine =
                digest && mf_digest_update(digest, bytes->data, bytes->size) == 0 && mf_digest_final(digest, id) == 0;

        mf_digest_free(digest);
        if (!fine)
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "a digest cannot be computed: libcrypto failed");
        mf_digest_of_image_id(id, ret);
        return 0;
}
