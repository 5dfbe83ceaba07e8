/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files/files.h"
#include "util/credentials.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Files of any user inside can be read, written and given to another, with all that belongs to them. No device can be made. */
#define KEPT                                                                                                          \
        (1U << CAP_CHOWN | 1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH | 1U << CAP_FOWNER | 1U << CAP_FSETID | \
         1U << CAP_SETFCAP)

/* Joins the container's user and mount namespaces. The first makes owners be what they are inside; the second makes the kernel refuse
 * what it would otherwise do, such as to unmount a volume whose mount point is removed. */
static int join(int leader)
{
        if (setns(leader, CLONE_NEWUSER | CLONE_NEWNS) == 0)
                return 0;
        /* The container has no user namespace of its own. */
        return errno == EINVAL && setns(leader, CLONE_NEWNS) == 0 ? 0 : -errno;
}

#define ENDING_MS 1000

/* Opens the container's root, by the number of its PID 1. Returns a descriptor or negative errno. */
static int open_root(int leader)
{
        char path[64];
        pid_t pid = mf_pidfd_pid(leader);

        if (pid < 0)
                return pid;
        snprintf(path, sizeof(path), "/proc/%d/root", (int) pid);
        mf_cleanup(mf_closep) int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root < 0) { /* a process that is ending has none any more */
                int r = -errno;
                return poll(&(struct pollfd){ .fd = leader, .events = POLLIN }, 1, ENDING_MS) > 0 ? -ESRCH : r;
        }
        /* It was this process's unless its number has been given to another meanwhile. */
        if (syscall(SYS_pidfd_send_signal, leader, 0, NULL, 0) < 0)
                return -errno;
        return mf_take_fd(&root);
}

int files_enter(int leader, uint32_t more, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int root = open_root(leader);
        /* The container's /proc does not show this process. */
        mf_cleanup(mf_closep) int proc = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (root < 0)
                return mf_error_errno(err, root, MAYFLY_STAGE_FILES, "the container's root cannot be opened");
        if (proc < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "/proc/self/fd cannot be opened");
        int r = join(leader);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the container's namespaces cannot be joined");
        if (fchdir(root) < 0 || chroot(".") < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "the container's root cannot be entered");
        r = mf_credentials_drop(0, 0, KEPT | more);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_FILES, "becoming root of the container");
        umask(0);
        files_set_root(mf_take_fd(&root), mf_take_fd(&proc));
        return 0;
}
