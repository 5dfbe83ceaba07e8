/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "mount/mount.h"

/* Root in the container may have the right to mount. It must not make a read-only volume writable, nor see what a mount below the source
 * covers. The kernel locks both when it copies a mount namespace into another user namespace, so the volume takes that way. */

#define ROOM "/proc" /* covered in a namespace that nobody else sees */
#define PLACE ROOM "/volume"

struct visit {
        int container, tree, is_directory;
};

/* Attaches the tree in a mount namespace of this process alone. Returns 0 or negative errno. */
static int attach_aside(const struct visit *visit)
{
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("mayfly-mount", ROOM, "tmpfs", 0, "size=4k,mode=755") < 0)
                return -errno;
        if ((visit->is_directory ? mkdir(PLACE, 0755) : mknod(PLACE, S_IFREG | 0644, 0)) < 0)
                return -errno;
        return syscall(SYS_move_mount, visit->tree, "", AT_FDCWD, PLACE, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Copies this process's mount namespace into the container's user namespace, unless there is none of its own. */
static int lock_all(const struct visit *visit)
{
        if (setns(visit->container, CLONE_NEWUSER) < 0)
                return errno == EINVAL ? 0 : -errno;
        return unshare(CLONE_NEWNS) < 0 ? -errno : 0;
}

/* Returns the copy, as a descriptor, or negative errno. */
static int lock(const void *userdata)
{
        const struct visit *visit = userdata;

        int r = attach_aside(visit);
        if (r == 0)
                r = lock_all(visit);
        if (r < 0)
                return r;
        r = (int) syscall(SYS_open_tree, AT_FDCWD, PLACE, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
        return r < 0 ? -errno : r;
}

int mount_lock(int container, int tree, int is_directory)
{
        return launch_visit(lock, &(struct visit){ container, tree, is_directory });
}
