/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/whiteouts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>

#include "store/implied-dirs.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* overlayfs reads the first of each, or the second where an ordinary user mounts it, who cannot set the first. */
static const char *const opaque_names[] = { "trusted.overlay.opaque", "user.overlay.opaque" };
static const char *const whiteout_names[] = { "trusted.overlay.whiteout", "user.overlay.whiteout" };

/* Sets a mark of overlayfs. Returns 0 or negative errno: -EOPNOTSUPP where the file system is an overlay of an old kernel. */
static int set_mark(int fd, const char *const names[2], const char *value)
{
        if (fsetxattr(fd, names[0], value, 1, 0) == 0 || (errno == EPERM && fsetxattr(fd, names[1], value, 1, 0) == 0))
                return 0;
        return -errno;
}

void mf_whiteouts_clear(struct mf_whiteouts *whiteouts)
{
        mf_paths_clear(&whiteouts->hidden);
        mf_paths_clear(&whiteouts->opaque);
}

/* Opens the directory that `path` is in, and sets *ret_base to the last component. Returns a borrowed descriptor or negative errno. */
static int open_parent(struct mf_open_dirs *dirs, const char *path, const char **ret_base)
{
        const char *slash = strrchr(path, '/');
        char parent[PATH_MAX];

        snprintf(parent, sizeof(parent), "%.*s", slash ? (int) (slash - path) : 1, slash ? path : ".");
        *ret_base = slash ? slash + 1 : path;
        return mf_open_dirs_get(dirs, parent, NULL, NULL);
}

/* Whether the kernel knows whiteouts that are files with an extended attribute. */
static int has_file_whiteouts(void)
{
        struct utsname name;
        int major = 0, minor = 0;

        return uname(&name) == 0 && sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
               (major > 6 || (major == 6 && minor >= 8));
}

/* Whether the directory that `path` is in hides all of lower layers anyway. */
static int is_in_opaque(const struct mf_whiteouts *whiteouts, const char *path)
{
        const size_t length = (size_t) (strrchr(path, '/') - path);

        for (size_t i = 0; i < whiteouts->opaque.n; i++)
                if (strncmp(whiteouts->opaque.path[i], path, length) == 0 && !whiteouts->opaque.path[i][length])
                        return 1;
        return 0;
}

/* Makes a whiteout that is a file: a store on overlayfs cannot have the device. `fd` is the directory. Returns 0 or negative errno. */
static int hide_by_file(const struct mf_whiteouts *whiteouts, int fd, const char *base, const char *path,
                        struct mf_record *record)
{
        mf_cleanup(mf_closep) int file = -1, above = -1;
        char sum[MF_MAC_LENGTH + 1];
        struct stat st;

        if (is_in_opaque(whiteouts, path)) /* which has no mark that there are such files */
                return 0;
        if (!has_file_whiteouts())
                return -EOPNOTSUPP;
        file = openat(fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        above = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (file < 0 || above < 0)
                return -errno;
        int r = set_mark(file, whiteout_names, "y");
        if (r == 0)
                r = set_mark(above, opaque_names, "x"); /* or it is not looked for */
        mf_content_sum_begin(mf_record_content_sum(record), 0);
        if (r == 0)
                r = mf_content_sum_finish(mf_record_content_sum(record), sum);
        if (r == 0 && fstat(file, &st) < 0)
                r = -errno;
        return r < 0 ? r : mf_record_add(record, path, &st, sum, -1, NULL);
}

/* Makes a whiteout. A directory that the layer has there becomes opaque; anything else hides what is below anyway. Returns 0 or negative
 * errno. */
static int hide(struct mf_whiteouts *whiteouts, struct mf_open_dirs *dirs, struct mf_record *record, const char *path)
{
        const char *base;
        struct stat st;

        int fd = open_parent(dirs, path, &base);
        if (fd == -ENOTDIR || fd == -ELOOP) /* the layer has something else in place of the directory */
                return 0;
        if (fd < 0)
                return fd;
        if (fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return S_ISDIR(st.st_mode) ? mf_paths_add(&whiteouts->opaque, strdup(path)) : 0;
        if (errno != ENOENT)
                return -errno;
        if (mknodat(fd, base, S_IFCHR, makedev(0, 0)) < 0)
                return errno == EPERM ? hide_by_file(whiteouts, fd, base, path, record) : -errno;
        return fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno
                                                               : mf_record_add(record, path, &st, NULL, -1, NULL);
}

static int make_opaque(struct mf_open_dirs *dirs, const char *path)
{
        const char *base;

        int above = open_parent(dirs, path, &base);
        if (above == -ENOTDIR || above == -ELOOP)
                return 0;
        if (above < 0)
                return above;
        mf_cleanup(mf_closep) int fd = mf_open_beneath(above, base, O_RDONLY | O_DIRECTORY);
        if (fd == -ENOTDIR || fd == -ELOOP)
                return 0;
        if (fd < 0)
                return fd;
        return set_mark(fd, opaque_names, "y");
}

int mf_whiteouts_apply(struct mf_whiteouts *whiteouts, struct mf_open_dirs *dirs, int dirfd, struct mf_record *record,
                       const char **ret_path)
{
        int r = 0;

        mf_paths_sort(&whiteouts->opaque);
        mf_paths_sort(&whiteouts->hidden);
        for (size_t i = 0; i < whiteouts->hidden.n && r == 0; i++) {
                *ret_path = whiteouts->hidden.path[i];
                if (i == 0 || strcmp(whiteouts->hidden.path[i], whiteouts->hidden.path[i - 1]) != 0)
                        r = hide(whiteouts, dirs, record, *ret_path);
        }
        for (size_t i = 0; i < whiteouts->opaque.n && r == 0; i++) {
                *ret_path = whiteouts->opaque.path[i];
                r = make_opaque(dirs, *ret_path);
        }
        return r < 0 ? r : mf_dirs_list_write(MF_OPAQUE_DIRS, &whiteouts->opaque, NULL, NULL, dirfd, record);
}

int mf_is_whiteout(int fd)
{
        char value[2];

        return fgetxattr(fd, whiteout_names[0], value, sizeof(value)) >= 0 ||
               fgetxattr(fd, whiteout_names[1], value, sizeof(value)) >= 0;
}

int mf_is_opaque(int fd)
{
        char value[2];

        if (fgetxattr(fd, opaque_names[0], value, sizeof(value)) == 1 ||
            fgetxattr(fd, opaque_names[1], value, sizeof(value)) == 1)
                return value[0] == 'y';
        return errno == ENODATA || errno == ENOTSUP ? 0 : -errno;
}
