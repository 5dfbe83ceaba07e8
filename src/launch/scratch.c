/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"

/* The scratch: a tmpfs with all that a container writes. The library has a copy of its mount, which is attached nowhere, so that it
 * lasts as long as that descriptor: after the container, for another start, and not longer than the library's process. */

/* Sends the library a copy of the mount. Where what confines this program allows none, there is no start after this one. */
static int send_copy(void)
{
        const struct mf_message message = { .type = MF_MESSAGE_SCRATCH };
        mf_cleanup(mf_closep) int copy =
                (int) syscall(SYS_open_tree, AT_FDCWD, LAUNCH_KEPT, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        if (copy < 0)
                return errno == ENOSYS || errno == EPERM ? 0 : launch_error(-errno, "copying the mount of the scratch");
        int r = launch_send(STDIN_FILENO, &message, copy);
        return r < 0 && r != -EPIPE && r != -ECONNRESET ? launch_error(r, "the library") : 0;
}

/* Mounts the tmpfs with what the container writes. The container's root is a stranger there, and passes through. */
static int mount_kept(const struct launch_options *options, int earlier)
{
        char data[64];

        if (earlier >= 0)
                return syscall(SYS_move_mount, earlier, "", AT_FDCWD, LAUNCH_KEPT, MOVE_MOUNT_F_EMPTY_PATH) < 0
                               ? launch_error(-errno, "mounting what the container wrote before")
                               : 0;
        snprintf(data, sizeof(data), options->scratch_size ? "mode=0711,size=%llu" : "mode=0711",
                 (unsigned long long) options->scratch_size);
        if (mount("mayfly-scratch", LAUNCH_KEPT, "tmpfs", 0, data) < 0)
                return launch_error(-errno, "mounting a tmpfs of %llu bytes for what the container writes",
                                    (unsigned long long) options->scratch_size);
        if (mkdir(LAUNCH_KEPT "/upper", 0755) < 0 || mkdir(LAUNCH_KEPT "/work", 0755) < 0 ||
            launch_give_root(AT_FDCWD, LAUNCH_KEPT "/work", options) < 0)
                return launch_error(-errno, "making directories on the scratch");
        return 0;
}

int launch_scratch_mount(const struct launch_options *options, int earlier)
{
        /* Around it is what each start makes anew. */
        if (mount("mayfly-mounts", SCRATCH, "tmpfs", 0, "mode=0711") < 0)
                return launch_error(-errno, "mounting a tmpfs for mount points");
        if (mkdir(LAUNCH_ROOT, 0755) < 0 || mkdir(LAUNCH_KEPT, 0711) < 0)
                return launch_error(-errno, "making directories on the scratch");
        int r = mount_kept(options, earlier);
        return r < 0 ? r : send_copy();
}
