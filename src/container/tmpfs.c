/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/tmpfs.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/ids.h"
#include "container/keeper-process.h"
#include "container/tmpfs-make.h"
#include "image/scratch.h"
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
        struct mf_scratch disk; /* where it is, unless it is in memory */
        struct mf_id_range ids; /* base 0: each container has its own, or those of an ordinary user's program */
};

struct job {
        struct mf_tmpfs_place *place;
        const char *directory; /* NULL: a tmpfs */
        uint64_t max_size;
        uid_t owner;
        struct mayfly_error *err;
        int result;
};

/* Runs in a new thread, which can unshare its mount namespace, working directory and umask from the program. */
static void *make(void *userdata)
{
        struct job *job = userdata;

        job->result = job->directory ? mf_tmpfs_make_on_disk(job->place, job->directory, job->err)
                                     : mf_tmpfs_make(job->place, job->max_size, job->owner, job->err);
        return NULL;
}

/* Makes the tmpfs in this process. Returns 0 or negative errno. */
static int make_here(struct mayfly_tmpfs *tmpfs, uint64_t max_size, const char *directory, struct mayfly_error *err)
{
        pthread_t thread;

        int r = directory || mf_ids_can_map_tmpfs() ? 0 : mf_ids_share(&tmpfs->ids, err);
        if (r < 0)
                return r;
        struct job job = { .place = &tmpfs->place,
                           .directory = directory,
                           .max_size = max_size,
                           .owner = tmpfs->ids.base,
                           .err = err };
        r = mf_thread_start(&thread, make, &job);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "a tmpfs for containers to share: starting a thread");
        pthread_join(thread, NULL);
        return job.result;
}

/* Lets mayfly-helper make the tmpfs. Returns 0 or negative errno. */
static int make_delegated(struct mayfly_tmpfs *tmpfs, uint64_t max_size, const char *directory,
                          struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        struct mf_call_result result = MF_CALL_RESULT_INIT;

        mf_pack_number(&arguments, max_size);
        mf_pack_string(&arguments, directory);
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

static int make_place(struct mayfly_tmpfs *tmpfs, uint64_t max_size, const char *directory, struct mayfly_error *err)
{
        return mf_privilege_is_delegated() ? make_delegated(tmpfs, max_size, directory, err)
                                           : make_here(tmpfs, max_size, directory, err);
}

static struct mayfly_tmpfs *make_handle(void)
{
        struct mayfly_tmpfs *tmpfs = calloc(1, sizeof(*tmpfs));

        if (tmpfs)
                *tmpfs = (struct mayfly_tmpfs){
                        .place = MF_TMPFS_PLACE_INIT, .references = 1, .disk = MF_SCRATCH_NONE, .ids = { .lock = -1 }
                };
        return tmpfs;
}

MF_EXPORT int mayfly_tmpfs_create(struct mayfly_tmpfs **ret, uint64_t max_size, struct mayfly_error *err)
{
        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_tmpfs_create() needs a place for its result");
        struct mayfly_tmpfs *tmpfs = make_handle();
        if (!tmpfs)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        int r = make_place(tmpfs, max_size, NULL, err);
        if (r < 0)
                mayfly_tmpfs_free(tmpfs);
        else
                *ret = tmpfs;
        return r;
}

/* --- on disk ---------------------------------------------------------------------------------------------------- */

/* Lets a process remove the directory that outlives this program, and all who use the directory. */
static int start_remover(const struct mf_scratch *disk, struct mayfly_error *err)
{
        mf_cleanup(mf_keeper_clear) struct mf_keeper keeper = MF_KEEPER_NONE;
        int fds[2] = { disk->store, -1 }, r = 0;

        if (mf_privilege_is_delegated())
                r = mf_userns_get(&fds[1], err);
        if (r == 0)
                r = mf_keeper_start(&keeper, (const char *const[]){ "--scratch", disk->name, NULL }, err);
        if (r < 0)
                return r;
        r = mf_keeper_hand_over(&keeper, fds, fds[1] >= 0 ? 2 : 1);
        return r < 0 ? mf_keeper_explain(&keeper, r, MAYFLY_STAGE_START, "sharing the directory", disk->name, err) : 0;
}

/* Mounts the directory, which is found again by its path. */
static int mount_disk(struct mayfly_tmpfs *tmpfs, struct mayfly_error *err)
{
        char link[32], path[PATH_MAX];
        struct stat made, mounted;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", tmpfs->disk.lock);
        const ssize_t n = readlink(link, path, sizeof(path) - 1);
        if (n < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START,
                                      "the path of a directory for containers to share");
        path[n] = '\0';
        int r = make_place(tmpfs, 0, path, err);
        if (r == 0 && (fstat(tmpfs->disk.lock, &made) < 0 || fstat(tmpfs->place.root, &mounted) < 0 ||
                       made.st_dev != mounted.st_dev || made.st_ino != mounted.st_ino))
                r = mf_error(err, -ESTALE, MAYFLY_STAGE_START, "%s was replaced while it was mounted", path);
        return r;
}

MF_EXPORT int mayfly_tmpfs_create_on_disk(struct mayfly_tmpfs **ret, const char *store, struct mayfly_error *err)
{
        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_tmpfs_create_on_disk() needs a place for its result");
        struct mayfly_tmpfs *tmpfs = make_handle();
        if (!tmpfs)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        int r = mf_scratch_make(store, &tmpfs->disk, err);
        if (r == 0)
                r = start_remover(&tmpfs->disk, err);
        if (r == 0)
                r = mount_disk(tmpfs, err);
        if (r < 0)
                mayfly_tmpfs_free(tmpfs);
        else
                *ret = tmpfs;
        return r;
}

int mf_tmpfs_lock(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs->disk.lock;
}

/* --- use -------------------------------------------------------------------------------------------------------- */

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
                mf_scratch_clear(&tmpfs->disk);
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
