/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/files.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* Where a path of the container leads. */

static struct {
        int root, proc;
} inside = { .root = -1, .proc = -1 };

void files_set_root(int root, int proc)
{
        inside.root = root;
        inside.proc = proc;
}

int files_proc(void)
{
        return inside.proc;
}

int files_say(struct mayfly_error *err, int r, const char *path, const char *what)
{
        const char *remedy = "";

        if (r == -ENOSPC)
                remedy = "; remove something, or raise the spec's scratch_size";
        else if (r == -EROFS)
                remedy = "; choose a path outside of read-only volumes";
        else if (r == -EBUSY || r == -EXDEV)
                remedy = "; a volume is mounted there";
        return mf_error(err, r, MAYFLY_STAGE_FILES, "%s in the container cannot be %s: %s%s", path, what, strerror(-r),
                        remedy);
}

int files_open(const char *path, int flags)
{
        return mf_open_in_root(inside.root, path, flags);
}

/* Makes the directory `name` unless it is there, in `parent`, and opens it by its whole path. */
static int make_dir(int parent, const char *path, const char *name, mode_t mode)
{
        int fd = files_open(path, O_PATH | O_DIRECTORY);

        if (fd != -ENOENT)
                return fd;
        if (mkdirat(parent, name, mode) < 0)
                return -errno; /* EEXIST: a link that leads nowhere */
        return files_open(path, O_PATH | O_DIRECTORY);
}

int files_make_dirs(const char *path, mode_t mode, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int parent = files_open("/", O_PATH | O_DIRECTORY);
        char copy[PATH_MAX];

        snprintf(copy, sizeof(copy), "%s", path);
        for (char *name = copy + strspn(copy, "/"); *name; name += strspn(name, "/")) {
                char *end = name + strcspn(name, "/");
                const char saved = *end;
                *end = '\0';
                int is_last = !saved || !end[1 + strspn(end + 1, "/")];
                int fd = make_dir(parent, copy, name, is_last ? mode : 0755);
                if (fd < 0)
                        return files_say(err, fd, copy, "made as a directory");
                mf_close(parent);
                parent = fd;
                *end = saved;
                name = end;
        }
        return parent < 0 ? files_say(err, parent, "/", "opened") : mf_take_fd(&parent);
}

int files_open_parent(const char *path, int is_made, char name[NAME_MAX + 1], struct mayfly_error *err)
{
        char above[PATH_MAX];
        size_t length = (size_t) snprintf(above, sizeof(above), "%s", path);

        while (length > 0 && above[length - 1] == '/')
                above[--length] = '\0';
        char *slash = strrchr(above, '/');
        if (!slash)
                return files_say(err, -EBUSY, "/", "made, replaced or removed");
        if (strcmp(slash + 1, ".") == 0) /* it has another name, and may be the root */
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_FILES,
                        "%s in the container cannot be made, replaced or removed: its last part is \".\"; give the "
                        "path without it",
                        path);
        if (strlen(slash + 1) > NAME_MAX)
                return files_say(err, -ENAMETOOLONG, path, "used");
        strcpy(name, slash + 1);
        slash[slash == above] = '\0';
        int fd = files_open(above, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT && is_made)
                return files_make_dirs(above, 0755, err);
        return fd < 0 ? files_say(err, fd, above, "opened as a directory") : fd;
}
