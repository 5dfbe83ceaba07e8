/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/implied-dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "archive/xattr.h"
#include "util/fd.h"
#include "util/macro.h"

int mf_dirs_list_load(const char *name, struct mf_paths *ret, int dir_fd)
{
        int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;
        mf_cleanup(mf_fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;

        *ret = (struct mf_paths){ 0 };
        if (!f) {
                r = errno == ENOENT ? 0 : -errno;
                mf_close(fd);
                return r;
        }
        errno = 0;
        while (r == 0 && getline(&line, &size, f) > 0) {
                line[strcspn(line, "\n")] = '\0';
                mf_record_unescape(line, line);
                r = mf_paths_add(ret, strdup(line));
        }
        if (r == 0 && ferror(f))
                r = errno ? -errno : -EIO;
        mf_paths_sort(ret);
        return r;
}

int mf_dirs_list_write(const char *name, struct mf_paths *list, int (*keep)(void *userdata, const char *path),
                       void *userdata, int dir_fd, struct mf_record *record)
{
        mf_cleanup(mf_freep) char *text = NULL;
        char escaped[4 * PATH_MAX + 1];
        size_t size = 0;

        if (list->n == 0)
                return 0;
        FILE *f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        mf_paths_sort(list);
        for (size_t i = 0; i < list->n; i++) {
                if ((keep && !keep(userdata, list->path[i])) || strlen(list->path[i]) >= PATH_MAX)
                        continue;
                mf_record_escape(escaped, list->path[i]);
                fprintf(f, "%s\n", escaped);
        }
        int failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return -ENOMEM;
        return size > 0 ? mf_record_add_text(record, dir_fd, name, 0600, text, size) : 0;
}

/* --- what else there is to a directory ------------------------------------------------------------------------ */

static int copy_xattr(int from, int to, const char *name)
{
        mf_cleanup(mf_freep) char *value = malloc(XATTR_SIZE_MAX);

        if (!value)
                return -ENOMEM;
        ssize_t size = fgetxattr(from, name, value, XATTR_SIZE_MAX);
        return size < 0 || fsetxattr(to, name, value, (size_t) size, 0) < 0 ? -errno : 0;
}

/* Those that layer.c restores. */
static int copy_xattrs(int from, int to)
{
        mf_cleanup(mf_freep) char *list = NULL;
        ssize_t size = flistxattr(from, NULL, 0);
        int r = 0;

        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : -errno;
        list = malloc((size_t) size);
        if (!list)
                return -ENOMEM;
        size = flistxattr(from, list, (size_t) size);
        if (size < 0)
                return -errno;
        for (ssize_t i = 0; i < size && r == 0; i += (ssize_t) strlen(list + i) + 1)
                if (mf_xattr_is_kept(list + i))
                        r = copy_xattr(from, to, list + i);
        return r;
}

int mf_copy_metadata(int from, int to, const struct stat *as)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, as->st_mtim };

        if (geteuid() == 0 && fchown(to, as->st_uid, as->st_gid) < 0)
                return -errno;
        int r = copy_xattrs(from, to);
        if (r < 0)
                return r;
        return fchmod(to, as->st_mode & 07777) < 0 || futimens(to, times) < 0 ? -errno : 0;
}

int mf_copy_dir_metadata(int from, int to)
{
        struct stat st;

        return fstat(from, &st) < 0 ? -errno : mf_copy_metadata(from, to, &st);
}
