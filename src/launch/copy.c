/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch/launch.h"

/* Copies of mounts that are attached nowhere. */

int launch_open_how(int dirfd, const char *path, uint64_t flags, uint64_t resolve)
{
        const struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = resolve };
        long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

        return fd < 0 ? -errno : (int) fd;
}

int launch_clone_tree(int fd, int recursive)
{
        int tree = (int) syscall(SYS_open_tree, fd, "",
                                 AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0));

        return tree < 0 ? -errno : tree;
}

int launch_idmap(int tree, int userns, int recursive)
{
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) userns };

        return syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
                       sizeof(attributes)) < 0
                       ? -errno
                       : 0;
}

int launch_protect(int dirfd, const char *path, int read_only)
{
        struct mount_attr attributes = { .attr_set = MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, .propagation = MS_PRIVATE };

        if (read_only)
                attributes.attr_set |= MOUNT_ATTR_RDONLY;
        return syscall(SYS_mount_setattr, dirfd, path, AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof(attributes)) <
                               0
                       ? -errno
                       : 0;
}

struct visit {
        int (*function)(const void *userdata);
        const void *userdata;
        int result;
};

static int run_visit(void *userdata)
{
        struct visit *visit = userdata;

        visit->result = visit->function(visit->userdata);
        return 0;
}

int launch_visit(int (*function)(const void *userdata), const void *userdata)
{
        static char stack[64 * 1024] __attribute__((aligned(16)));
        struct visit visit = { function, userdata, -EIO };

        pid_t pid = clone(run_visit, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, &visit);
        if (pid < 0)
                return -errno;
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return visit.result;
}

/* Only a process in its namespace can copy a mount. */
static int copy_scratch(const void *userdata)
{
        const int *namespace_fd = userdata;

        if (setns(*namespace_fd, CLONE_NEWNS) < 0)
                return -errno;
        int tree = (int) syscall(SYS_open_tree, AT_FDCWD, SCRATCH, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        return tree < 0 ? -errno : tree;
}

int launch_scratch_copy(int namespace_fd)
{
        return launch_visit(copy_scratch, &namespace_fd);
}
