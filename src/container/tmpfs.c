/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/tmpfs.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/ids.h"
#include "container/volumes.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* The tmpfs is mounted in a namespace without processes: only descriptors keep it, so it cannot outlive them. A
 * container gets a copy of the mount. */

struct mayfly_tmpfs {
        int namespace_fd, root;
        struct mf_id_range ids; /* base 0: each container has its own */
        uint64_t max_size;
        const char *failed; /* what */
        int error;
};

/* Runs in a new thread, which can unshare its mount namespace, working directory and umask from the program. */
static void *make(void *userdata)
{
        struct mayfly_tmpfs *tmpfs = userdata;
        char options[64];

        snprintf(options, sizeof(options), tmpfs->max_size ? "mode=0755,size=%llu" : "mode=0755",
                 (unsigned long long) tmpfs->max_size);
        if (unshare(CLONE_NEWNS) < 0)
                tmpfs->failed = "unsharing the mount namespace; mayfly must run as root with CAP_SYS_ADMIN";
        else if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                tmpfs->failed = "making mounts private";
        else if (mount("mayfly-volume", MF_TMPFS_PATH, "tmpfs", MS_NODEV, options) < 0)
                tmpfs->failed = "mounting it";
        else if (chown(MF_TMPFS_PATH, tmpfs->ids.base, tmpfs->ids.base) < 0)
                tmpfs->failed = "giving it to the containers";
        else if ((tmpfs->root = open(MF_TMPFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
                 (tmpfs->namespace_fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)) < 0)
                tmpfs->failed = "opening it";
        tmpfs->error = tmpfs->failed ? -errno : 0;
        return NULL;
}

MF_EXPORT int mayfly_tmpfs_create(struct mayfly_tmpfs **ret, uint64_t max_size, struct mayfly_error *err)
{
        sigset_t all, old;
        pthread_t thread;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_tmpfs_create() needs a place for its result");
        struct mayfly_tmpfs *tmpfs = calloc(1, sizeof(*tmpfs));
        if (!tmpfs)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *tmpfs = (struct mayfly_tmpfs){ .namespace_fd = -1, .root = -1, .ids = { .lock = -1 }, .max_size = max_size };
        int r = mf_ids_can_map_tmpfs() ? 0 : mf_ids_share(&tmpfs->ids, err);
        if (r < 0) {
                mayfly_tmpfs_free(tmpfs);
                return r;
        }
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old); /* signals are for the program's own threads */
        r = -pthread_create(&thread, NULL, make, tmpfs);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r == 0) {
                pthread_join(thread, NULL);
                r = tmpfs->error;
        } else {
                tmpfs->failed = "starting a thread";
        }
        if (r < 0) {
                mf_error_set_errno(err, r, MAYFLY_STAGE_START, "a tmpfs for containers to share: %s", tmpfs->failed);
                mayfly_tmpfs_free(tmpfs);
                return r;
        }
        *ret = tmpfs;
        return 0;
}

MF_EXPORT int mayfly_tmpfs_fd(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs ? tmpfs->root : -1;
}

int mf_tmpfs_namespace(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs->namespace_fd;
}

const struct mf_id_range *mf_tmpfs_ids(const struct mayfly_tmpfs *tmpfs)
{
        return tmpfs->ids.base ? &tmpfs->ids : NULL;
}

int mf_tmpfs_own(const struct mayfly_tmpfs *tmpfs, mode_t mode, uid_t uid, gid_t gid)
{
        /* In this order: a change of the owner may clear set-ID bits. */
        return fchown(tmpfs->root, uid + tmpfs->ids.base, gid + tmpfs->ids.base) < 0 || fchmod(tmpfs->root, mode) < 0
                       ? -errno
                       : 0;
}

MF_EXPORT struct mayfly_tmpfs *mayfly_tmpfs_free(struct mayfly_tmpfs *tmpfs)
{
        if (tmpfs) {
                mf_close(tmpfs->root);
                mf_close(tmpfs->namespace_fd);
                mf_ids_unshare(&tmpfs->ids);
                free(tmpfs);
        }
        return NULL;
}
