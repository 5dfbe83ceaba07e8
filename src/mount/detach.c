/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"
#include "mount/mount.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Says who uses the volume. */
static int explain_busy(const char *path, int proc, const struct statx *volume, struct mayfly_error *err)
{
        char user[160];

        mount_find_user(proc, volume->stx_mnt_id, user, sizeof(user));
        return mf_error(err, -EBUSY, MAYFLY_STAGE_FILES, "the volume at %s is in use by %s; end that first", path,
                        user[0] ? user : "something that was not found, such as another mount below it");
}

int mount_detach(struct mf_serve_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        char name[NAME_MAX + 1];
        struct statx volume;

        if (!path || strlen(path) >= PATH_MAX)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_FILES, "mayfly-mount lacks arguments");
        mf_cleanup(mf_closep) int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = mount_enter(call, err);
        if (r < 0)
                return r;
        /* The volume itself is not opened, which would make it busy. */
        mf_cleanup(mf_closep) int parent = files_open_parent(path, 0, name, err);
        if (parent < 0)
                return parent;
        if (statx(parent, name, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, STATX_MNT_ID, &volume) < 0 ||
            !(volume.stx_attributes & STATX_ATTR_MOUNT_ROOT))
                return mf_error(
                        err, -ENOENT, MAYFLY_STAGE_FILES,
                        "nothing is mounted at %s in the container any more; a process inside may have unmounted "
                        "the volume",
                        path);
        if (fchdir(parent) < 0)
                return files_say(err, -errno, path, "unmounted");
        if (umount2(name, UMOUNT_NOFOLLOW) == 0)
                return 0;
        return errno == EBUSY ? explain_busy(path, proc, &volume, err) : files_say(err, -errno, path, "unmounted");
}
