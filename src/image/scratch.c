/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/scratch.h"

#include <errno.h>
#include <sys/stat.h>

#include "store/directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

_Static_assert(sizeof(((struct mf_scratch *) NULL)->name) == MF_TMP_NAME_MAX, "it is such a name");

/* Makes it in the store of the path. */
static int make(const char *path, struct mf_scratch *scratch, struct mayfly_error *err)
{
        int r = mf_store_open(path, 1, &scratch->store, err);

        if (r < 0)
                return r;
        r = mf_mkdir_private(scratch->store, "tmp");
        if (r == 0 || r == -EEXIST)
                r = mf_store_make_temporary(scratch->store, scratch->name, &scratch->lock);
        if (r == 0 && fchmod(scratch->lock, 0755) < 0)
                r = -errno;
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "a directory for containers to share in %s", path)
                     : 0;
}

int mf_scratch_make(const char *store, struct mf_scratch *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *path = NULL;

        *ret = MF_SCRATCH_NONE;
        int r = mf_store_path(store, &path, err);
        if (r == 0)
                r = make(path, ret, err);
        if (r < 0)
                mf_scratch_clear(ret);
        return r;
}

void mf_scratch_clear(struct mf_scratch *scratch)
{
        mf_close(scratch->store);
        mf_close(scratch->lock);
        *scratch = MF_SCRATCH_NONE;
}
