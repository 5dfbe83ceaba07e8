/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/check.h"
#include "util/fd.h"
#include "util/macro.h"

/* systemd-nspawn mounts a whole proc and sysfs for a container to come since version 253, in time since this one. */
#define NSPAWN_SHOWS_WHOLE 255L
#define SCRATCH "/tmp" /* covered in the child's mount namespace only, as mayfly-launch does it */

/* Opens the directory that stands for an image's layer: the store, or where the store will be. In the mount namespace in
 * which it is used, since overlayfs and open_tree(2) take no mount of another one. */
static int open_lower(struct mf_host_attempt *attempt, const char *path)
{
        int fd = open(path ? path : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

        return fd < 0 ? mf_host_attempt_failed(attempt, "opening the directory of the store") : fd;
}

static int mount_scratch(struct mf_host_attempt *attempt)
{
        if (mount("mayfly-doctor", SCRATCH, "tmpfs", 0, "mode=0700") < 0)
                return mf_host_attempt_failed(attempt, "mounting a tmpfs");
        if (mkdir(SCRATCH "/root", 0755) < 0 || mkdir(SCRATCH "/upper", 0755) < 0 || mkdir(SCRATCH "/work", 0755) < 0 ||
            mkdir(SCRATCH "/lower", 0755) < 0)
                return mf_host_attempt_failed(attempt, "making directories on a tmpfs");
        return 0;
}

/* Mounts an overlay, and writes a file to it. */
static int mount_overlay(struct mf_host_attempt *attempt, const char *lower)
{
        char data[256];

        snprintf(data, sizeof(data), "%supperdir=" SCRATCH "/upper,workdir=" SCRATCH "/work,lowerdir=%s",
                 attempt->host->is_root ? "" : "userxattr,", lower);
        if (mount("mayfly-doctor", SCRATCH "/root", "overlay", MS_NODEV, data) < 0)
                return mf_host_attempt_failed(attempt, attempt->host->is_root
                                                               ? "mounting an overlay"
                                                               : "mounting an overlay in a user namespace");
        int fd = open(SCRATCH "/root/mayfly-doctor", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0)
                return mf_host_attempt_failed(attempt, "writing to an overlay");
        close(fd);
        return 0;
}

static int try_overlay(struct mf_host_attempt *attempt)
{
        mf_cleanup(mf_freep) char *path = mf_host_store_directory(attempt->host); /* of the user, not of a root */
        char lower[64];

        if ((!attempt->host->is_root && mf_host_enter_user_namespace(attempt) < 0) ||
            mf_host_enter_mount_namespace(attempt) < 0)
                return -1;
        int fd = open_lower(attempt, path);
        if (fd < 0 || mount_scratch(attempt) < 0)
                return -1;
        snprintf(lower, sizeof(lower), "/proc/self/fd/%d", fd);
        return mount_overlay(attempt, lower);
}

void mf_probe_overlay(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mf_host_attempt attempt;

        if (mf_host_try(host, try_overlay, &attempt) == 0) {
                mf_host_ok(ret, "an overlay was mounted%s", host->is_root ? "" : " in a user namespace");
                return;
        }
        mf_host_missing(ret, -attempt.error, "%s fails: %s", attempt.step, strerrordesc_np(attempt.error));
        if (attempt.error == ENODEV)
                mf_host_remedy(ret,
                               "load overlayfs: sudo modprobe overlay (on the outer host, where this is a container)");
        else if (!host->is_root)
                mf_host_remedy_userns(host, ret, "use Linux 5.11 or later, which lets users mount overlays");
        else
                mf_host_remedy_outer(host, ret,
                                     "start the tests with CAP_SYS_ADMIN, and choose a store that overlayfs takes "
                                     "with MAYFLY_STORE");
}

/* --- layers with the container's IDs ---------------------------------------------------------------------------- */

static int try_idmap(struct mf_host_attempt *attempt)
{
        mf_cleanup(mf_freep) char *path = mf_host_store_directory(attempt->host);
        int userns = mf_host_open_user_namespace(attempt);

        if (userns < 0 || mf_host_enter_mount_namespace(attempt) < 0)
                return -1;
        int fd = open_lower(attempt, path);
        if (fd < 0 || mount_scratch(attempt) < 0)
                return -1;
        int tree = (int) syscall(SYS_open_tree, fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0)
                return mf_host_attempt_failed(attempt, "open_tree");
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns };
        if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return mf_host_attempt_failed(attempt, "mount_setattr");
        if (syscall(SYS_move_mount, tree, "", AT_FDCWD, SCRATCH "/lower", MOVE_MOUNT_F_EMPTY_PATH) < 0)
                return mf_host_attempt_failed(attempt, "move_mount");
        return mount_overlay(attempt, SCRATCH "/lower");
}

void mf_probe_idmapped_mounts(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mf_host_attempt attempt;

        if (mf_host_try(host, try_idmap, &attempt) == 0) {
                mf_host_ok(ret, "an overlay was mounted over an idmapped mount of the store's file system");
        } else if (attempt.error == EINVAL && strcmp(attempt.step, "mount_setattr") == 0) {
                mf_host_warning(ret, "the store's file system cannot be idmapped, so each start changes the owners of "
                                     "the image's files");
                mf_host_remedy(ret, "set MAYFLY_STORE to a directory on ext4, xfs or btrfs, where a start is faster");
        } else {
                mf_host_missing(ret, -attempt.error,
                                "showing an image with a container's IDs (idmapped mounts): %s fails: %s", attempt.step,
                                strerrordesc_np(attempt.error));
                if (attempt.error == ENOSYS || attempt.error == EINVAL)
                        mf_host_remedy(ret, "use Linux 5.19 or later, or .userns = MAYFLY_USERNS_HOST in the spec");
                else
                        mf_host_remedy_userns(host, ret, "start the tests with CAP_SYS_ADMIN");
        }
}

/* --- proc and sysfs --------------------------------------------------------------------------------------------- */

/* As the first process of a new PID namespace: mounts what the kernel gives only to those who already see all of it. */
static int mount_proc(struct mf_host_attempt *attempt)
{
        if (mf_host_enter_mount_namespace(attempt) < 0)
                return -1;
        if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
                return mf_host_attempt_failed(attempt, "mounting proc in a user namespace");
        if (mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, NULL) < 0)
                return mf_host_attempt_failed(attempt, "mounting sysfs in a user namespace");
        return 0;
}

/* Mounts a whole proc and sysfs in a mount namespace before the user namespace is made, as a newer systemd-nspawn does
 * for its container. Where that fails, so does what follows, which says why. */
static int show_whole(struct mf_host_attempt *attempt)
{
        if (mf_host_nspawn_version() < NSPAWN_SHOWS_WHOLE)
                return 0;
        if (mf_host_enter_mount_namespace(attempt) < 0)
                return -1;
        (void) mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        (void) mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
        return 0;
}

static int try_proc(struct mf_host_attempt *attempt)
{
        if (attempt->host->is_root && show_whole(attempt) < 0)
                return -1;
        if (mf_host_enter_user_namespace(attempt) < 0)
                return -1;
        if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) < 0)
                return mf_host_attempt_failed(attempt, "making namespaces in a user namespace");
        pid_t pid = fork();
        if (pid < 0)
                return mf_host_attempt_failed(attempt, "making a process");
        if (pid == 0) { /* says what it found in place of this process */
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                return mount_proc(attempt);
        }
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        _exit(0);
}

void mf_probe_proc(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct mf_host_attempt attempt;

        if (mf_host_try(host, try_proc, &attempt) == 0) {
                mf_host_ok(ret, "proc and sysfs were mounted in a user namespace");
                return;
        }
        mf_host_missing(ret, -attempt.error, "%s fails: %s%s", attempt.step, strerrordesc_np(attempt.error),
                        attempt.error == EPERM && strstr(attempt.step, "mounting")
                                ? "; something is mounted over a part of /proc or /sys"
                                : "");
        mf_host_remedy_userns(host, ret, "unmount what is mounted on files and directories of /proc and /sys");
}
