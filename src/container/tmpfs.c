/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/tmpfs.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/ids.h"
#include "container/tmpfs-make.h"
#include "privilege/call.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"

/* The tmpfs is mounted in a namespace without processes: only descriptors keep it, so it cannot outlive them. A
 * container gets a copy of the mount. */

struct mayfly_tmpfs {
        struct mf_tmpfs_place place;
        atomic_uint references; /* the handle, and containers that may start again */
        struct mf_id_range ids; /* base 0: each container has its own, or those of an ordinary user's program */
};

struct job {
        struct mf_tmpfs_place *place;
        uint64_t max_size;
        uid_t owner;
        struct mayfly_error *err;
        int result;
};

/* Runs in a new thread, which can unshare its mount namespace, working directory and umask from the program. */
static void *make(void *userdata)
{
        struct job *job = userdata;

        job->result = mf_tmpfs_make(job->place, job->max_size, job->owner, job->err);
        return NULL;
}

/* Makes the tmpfs in this process. Returns 0 or negative errno. */
static int make_here(struct mayfly_tmpfs *tmpfs, uint64_t max_size, struct mayfly_error *err)
{
        pthread_t thread;

        int r = mf_ids_can_map_tmpfs() ? 0 : mf_ids_share(&tmpfs->ids, err);
        if (r < 0)
                return r;
        struct job job = { .place = &tmpfs->place, .max_size = max_size, .owner = tmpfs->ids.base, .err = err };
        r = mf_thread_start(&thread, make, &job);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "a tmpfs for containers to share: starting a thread");
        pthread_join(thread, NULL);
        return job.result;
}

/* Lets mayfly-helper make the tmpfs. Returns 0 or negative errno. */
static int make_delegated(struct mayfly_tmpfs *tmpfs, uint64_t max_size, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;

        mf_pack_number(&arguments, max_size);
        const struct mf_call call = { .operation = MF_OPERATION_TMPFS, .arguments = &arguments };
        int r = mf_call(&result, &call, err);
        if (r == 0) {
                tmpfs->place.namespace_fd = mf_frame_take_fd(&result.frame, 0);
                tmpfs->place.root = mf_frame_take_fd(&result.frame, 1);
                if (tmpfs->place.root < 0)
                        r = mf_error(err, -EPROTO, MAYFLY_STAGE_START, "mayfly-helper returned no tmpfs");
        }
        mf_call_end(&result);
        return r;
}

MF_EXPORT int mayfly_tmpfs_create(struct mayfly_tmpfs **ret, uint64_t max_size, struct mayfly_error *err)
{
        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_tmpfs_create() needs a place for its result");
        struct mayfly_tmpfs *tmpfs = calloc(1, sizeof(*tmpfs));
        if (!tmpfs)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *tmpfs = (struct mayfly_tmpfs){ .place = MF_TMPFS_PLACE_INIT, .references = 1, .ids = { .lock = -1 } };
        int r = mf_privilege_is_delegated() ? make_delegated(tmpfs, max_size, err) : make_here(tmpfs, max_size, err);
        if (r < 0)
                mayfly_tmpfs_free(tmpfs);
        else
                *ret = tmpfs;
        return r;
}

MF_EXPORT int mayfly_tmpfs_fd(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs ? tmpfs->place.root : -1;
}

int mf_tmpfs_namespace(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs->place.namespace_fd;
}

const struct mf_id_range *mf_tmpfs_ids(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs->ids.base ? &tmpfs->ids : NULL;
}

/* Lets mayfly-helper change the owner, whom this process cannot name. Its own user it can do without. */
static int own_delegated(const struct mayfly_tmpfs *tmpfs, mode_t mode, uid_t uid, gid_t gid)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;
        struct stat st;

        if (uid == 0 && gid == 0 && fstat(tmpfs->place.root, &st) == 0 && st.st_uid == geteuid() &&
            st.st_gid == getegid())
                return fchmod(tmpfs->place.root, mode) < 0 ? -errno : 0;
        mf_pack_number(&arguments, mode);
        mf_pack_number(&arguments, uid);
        mf_pack_number(&arguments, gid);
        const struct mf_call call = {
                .operation = MF_OPERATION_TMPFS_OWN, .arguments = &arguments, .fds = &tmpfs->place.root, .n_fds = 1
        };
        int r = mf_call(&result, &call, NULL);
        mf_call_end(&result);
        return r;
}

int mf_tmpfs_own(const struct mayfly_tmpfs *tmpfs, mode_t mode, uid_t uid, gid_t gid)
{
        return mf_privilege_is_delegated()
                       ? own_delegated(tmpfs, mode, uid, gid)
                       : mf_tmpfs_give(tmpfs->place.root, mode, uid + tmpfs->ids.base, gid + tmpfs->ids.base);
}

MF_EXPORT struct mayfly_tmpfs *mayfly_tmpfs_free(struct mayfly_tmpfs *tmpfs)
{
        if (tmpfs && atomic_fetch_sub(&tmpfs->references, 1) == 1) {
                mf_close(tmpfs->place.root);
                mf_close(tmpfs->place.namespace_fd);
                mf_ids_unshare(&tmpfs->ids);
                free(tmpfs);
        }
        return NULL;
}

void mf_tmpfs_hold(const struct mayfly_tmpfs *tmpfs)
{
        if (tmpfs)
                atomic_fetch_add(&((struct mayfly_tmpfs *) (uintptr_t) tmpfs)->references, 1);
}

void mf_tmpfs_release(const struct mayfly_tmpfs *tmpfs)
{
        (void) mayfly_tmpfs_free((struct mayfly_tmpfs *) (uintptr_t) tmpfs);
}
