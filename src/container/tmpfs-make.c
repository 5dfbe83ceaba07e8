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

/* Makes a mount namespace for it. Returns what failed, with errno set, or NULL. */
static const char *leave_namespace(void)
{
        if (unshare(CLONE_NEWNS) < 0)
                return "unsharing the mount namespace; mayfly must run as root with CAP_SYS_ADMIN";
        return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? "making mounts private" : NULL;
}

/* Mounts it. Returns what failed, with errno set, or NULL. */
static const char *mount_tmpfs(uint64_t max_size, uid_t owner)
{
        char options[64];

        snprintf(options, sizeof(options), max_size ? "mode=0755,size=%llu" : "mode=0755",
                 (unsigned long long) max_size);
        const char *failed = leave_namespace();
        if (!failed && mount("mayfly-volume", MF_TMPFS_PATH, "tmpfs", MS_NODEV, options) < 0)
                failed = "mounting it";
        if (!failed && chown(MF_TMPFS_PATH, owner, owner) < 0)
                failed = "giving it to the containers";
        return failed;
}

/* Opens what was mounted, unless that failed. */
static int open_place(const char *failed, struct mf_tmpfs_place *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int root = -1;
        mf_cleanup(mf_closep) int namespace_fd = -1;

        if (!failed) {
                root = open(MF_TMPFS_PATH, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (root >= 0)
                        namespace_fd = open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC);
                failed = namespace_fd < 0 ? "opening it" : NULL;
        }
        if (failed)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "a file system for containers to share: %s",
                                      failed);
        *ret = (struct mf_tmpfs_place){ mf_take_fd(&namespace_fd), mf_take_fd(&root) };
        return 0;
}

int mf_tmpfs_make(struct mf_tmpfs_place *ret, uint64_t max_size, uid_t owner, struct mayfly_error *err)
{
        return open_place(mount_tmpfs(max_size, owner), ret, err);
}

int mf_tmpfs_make_on_disk(struct mf_tmpfs_place *ret, const char *directory, struct mayfly_error *err)
{
        const char *failed = leave_namespace();

        if (!failed && mount(directory, MF_TMPFS_PATH, NULL, MS_BIND, NULL) < 0)
                failed = "mounting its directory";
        if (!failed && mount(NULL, MF_TMPFS_PATH, NULL, MS_BIND | MS_REMOUNT | MS_NODEV | MS_NOSUID, NULL) < 0)
                failed = "keeping devices out of it";
        return open_place(failed, ret, err);
}

int mf_tmpfs_give(int root, mode_t mode, uid_t uid, gid_t gid)
{
        /* In this order: a change of the owner may clear set-ID bits. */
        return fchown(root, uid, gid) < 0 || fchmod(root, mode) < 0 ? -errno : 0;
}
