/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files/files.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

int files_mkdir(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const mode_t mode = (mode_t) mf_unpack_number(&call->arguments);

        mf_cleanup(mf_closep) int fd = files_make_dirs(path, mode, err);
        return fd < 0 ? fd : 0;
}

/* Whether something is mounted on the file, which is no link. Returns 0 or negative errno: -EXDEV if so. */
static int check_no_mount(int parent, const char *name)
{
        const struct open_how how = { .flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV };
        int fd = (int) syscall(SYS_openat2, parent, name, &how, sizeof(how));

        if (fd < 0)
                return -errno;
        mf_close(fd);
        return 0;
}

int files_remove(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        char name[NAME_MAX + 1];

        mf_cleanup(mf_closep) int parent = files_open_parent(path, 0, name, err);
        if (parent < 0)
                return parent;
        int r = check_no_mount(parent, name);
        if (r == 0)
                r = mf_remove_tree(parent, name);
        return r < 0 ? files_say(err, r, path, "removed") : 0;
}

int files_chmod(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const mode_t mode = (mode_t) mf_unpack_number(&call->arguments);
        char number[16];

        mf_cleanup(mf_closep) int fd = files_open(path, O_PATH);
        snprintf(number, sizeof(number), "%d", fd);
        int r = fd < 0 ? fd : fchmodat(files_proc(), number, mode, 0) < 0 ? -errno : 0;
        return r < 0 ? files_say(err, r, path, "given another mode") : 0;
}

int files_chown(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const uid_t uid = (uid_t) mf_unpack_number(&call->arguments);
        const gid_t gid = (gid_t) mf_unpack_number(&call->arguments);

        mf_cleanup(mf_closep) int fd = files_open(path, O_PATH);
        int r = fd < 0 ? fd : fchownat(fd, "", uid, gid, AT_EMPTY_PATH) < 0 ? -errno : 0;
        return r < 0 ? files_say(err, r, path, "given another owner") : 0;
}
