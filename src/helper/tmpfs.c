/* SPDX-License-Identifier: MIT */
/* The operations on a tmpfs that containers share, or that has a snapshot. */
#include <errno.h>

#include "container/snapshot-copy.h"
#include "container/tmpfs-make.h"
#include "helper/helper.h"
#include "util/error.h"

static void answer(struct mf_helper *helper, const struct mf_tmpfs_place *place)
{
        helper->answer.fds[0] = place->namespace_fd;
        helper->answer.fds[1] = place->root;
        helper->answer.n_fds = 2;
}

int mf_helper_tmpfs(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mf_tmpfs_place place;

        const uint64_t max_size = mf_unpack_number(&helper->arguments);
        const char *directory = mf_unpack_string(&helper->arguments);
        int r = directory ? mf_tmpfs_make_on_disk(&place, directory, err) : mf_tmpfs_make(&place, max_size, 0, err);
        if (r == 0)
                answer(helper, &place);
        return r;
}

/* The IDs of an ordinary user's container are those of the namespace that this process is in. */
int mf_helper_snapshot(struct mf_helper *helper, struct mayfly_error *err)
{
        struct mf_tmpfs_place place;

        if (helper->request.n_fds <= MF_HELPER_FIRST_FD)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper lacks arguments");
        const int *fds = &helper->request.fds[MF_HELPER_FIRST_FD];
        const struct mf_snapshot_source source = { .scratch = fds[0],
                                                   .below = fds + 1,
                                                   .n_below = helper->request.n_fds - MF_HELPER_FIRST_FD - 1 };
        int r = mf_snapshot_make(&place, &source, err);
        if (r == 0)
                answer(helper, &place);
        return r;
}

int mf_helper_tmpfs_own(struct mf_helper *helper, struct mayfly_error *err)
{
        mode_t mode = (mode_t) mf_unpack_number(&helper->arguments);
        uid_t uid = (uid_t) mf_unpack_number(&helper->arguments);
        gid_t gid = (gid_t) mf_unpack_number(&helper->arguments);

        if (helper->arguments.failed || helper->request.n_fds <= MF_HELPER_FIRST_FD)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper lacks arguments");
        int r = mf_tmpfs_give(helper->request.fds[MF_HELPER_FIRST_FD], mode, uid, gid);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_START, "the owner of a tmpfs cannot be changed") : 0;
}
