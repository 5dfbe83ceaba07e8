/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/runtime-dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

void mf_runtime_dir(char ret[MF_RUNTIME_DIR_MAX])
{
        const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

        if (geteuid() == 0)
                snprintf(ret, MF_RUNTIME_DIR_MAX, "/run/mayfly");
        else if (runtime && *runtime == '/' && strlen(runtime) < 24 && access(runtime, W_OK) == 0)
                snprintf(ret, MF_RUNTIME_DIR_MAX, "%s/mayfly", runtime);
        else
                snprintf(ret, MF_RUNTIME_DIR_MAX, "/tmp/mayfly-%u.run", (unsigned) geteuid());
}

/* Opens the directory, which is made if need be and must be this user's alone. Returns a descriptor, or negative errno with an error. */
static int open_directory(const char *path, struct mayfly_error *err)
{
        struct stat st;

        int r = mf_mkdir_private(AT_FDCWD, path);
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, r < 0 && r != -EEXIST ? r : -errno, MAYFLY_STAGE_SPEC,
                                      "the directory of sockets \"%s\"", path);
        if (st.st_uid != geteuid() || (st.st_mode & 077))
                return mf_error(
                        err, -EPERM, MAYFLY_STAGE_SPEC,
                        "the directory of sockets \"%s\" belongs to user %u and has the mode 0%o; remove it, or "
                        "make it this user's alone",
                        path, (unsigned) st.st_uid, (unsigned) (st.st_mode & 07777));
        return mf_take_fd(&fd);
}

int mf_runtime_dir_make(const char *path, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open_directory(path, err);

        return fd < 0 ? fd : 0;
}

int mf_runtime_dir_lock(const char *path, int *ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open_directory(path, err);

        if (fd < 0)
                return fd;
        if (flock(fd, LOCK_EX) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_SPEC, "the directory of sockets \"%s\"", path);
        *ret = mf_take_fd(&fd);
        return 0;
}
