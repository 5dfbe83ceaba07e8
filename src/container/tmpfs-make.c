/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/tmpfs-make.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/volumes.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Mounts it. Returns what failed, with errno set, or NULL. */
static const char *mount_tmpfs(uint64_t max_size, uid_t owner)
{
        char options[64];

        snprintf(options, sizeof(options), max_size ? "mode=0755,size=%llu" : "mode=0755",
                 (unsigned long long) max_size);
        if (unshare(CLONE_NEWNS) < 0)
                return "unsharing the mount namespace; mayfly must run as root with CAP_SYS_ADMIN";
        if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return "making mounts private";
        if (mount("mayfly-volume", MF_TMPFS_PATH, "tmpfs", MS_NODEV, options) < 0)
                return "mounting it";
        return chown(MF_TMPFS_PATH, owner, owner) < 0 ? "giving it to the containers" : NULL;
}

int mf_tmpfs_make(struct mf_tmpfs_place *ret, uint64_t max_size, uid_t owner, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int root = -1;
        mf_cleanup(mf_closep) int namespace_fd = -1;

        const char *failed = mount_tmpfs(max_size, owner);
        if (!failed) {
                root = open(MF_TMPFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (root >= 0)
                        namespace_fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
                failed = namespace_fd < 0 ? "opening it" : NULL;
        }
        if (failed)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "a tmpfs for containers to share: %s", failed);
        *ret = (struct mf_tmpfs_place){ mf_take_fd(&namespace_fd), mf_take_fd(&root) };
        return 0;
}

int mf_tmpfs_give(int root, mode_t mode, uid_t uid, gid_t gid)
{
        /* In this order: a change of the owner may clear set-ID bits. */
        return fchown(root, uid, gid) < 0 || fchmod(root, mode) < 0 ? -errno : 0;
}
