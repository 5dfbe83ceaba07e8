/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "trust/gpg-home.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define TRIES 100

int mf_gpg_home_make(const char *store, struct mf_gpg_home *ret, struct mayfly_error *err)
{
        struct mf_gpg_home home = { .store = -1, .fd = -1 };
        mf_cleanup(mf_freep) char *path = NULL;

        int r = mf_store_path(store, &path, err);
        if (r == 0)
                r = mf_store_open(path, 1, &home.store, err);
        if (r < 0)
                return r;
        (void) mf_store_sweep(home.store, NULL, NULL);
        r = mf_mkdir_private(home.store, "tmp");
        if (r == 0 || r == -EEXIST)
                r = mf_store_make_temporary(home.store, home.name, &home.fd);
        if (r < 0) {
                mf_close(home.store);
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "a directory for GnuPG cannot be made in %s/tmp (choose another store with "
                                      "MAYFLY_STORE)",
                                      path);
        }
        if (asprintf(&home.path, "%s/%s", path, home.name) < 0) {
                home.path = NULL;
                mf_gpg_home_remove(&home);
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        *ret = home;
        return 0;
}

void mf_gpg_home_remove(struct mf_gpg_home *home)
{
        /* A gpg whose work was cancelled may be making its last file. */
        for (unsigned i = 0; i < TRIES && mf_remove_tree(home->store, home->name) == -ENOTEMPTY; i++)
                usleep(1000);
        mf_unlock(home->fd);
        mf_close(home->fd);
        mf_close(home->store);
        free(home->path);
        *home = (struct mf_gpg_home){ .store = -1, .fd = -1 };
}
