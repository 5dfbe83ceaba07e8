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

int mf_implied_dirs_load(struct mf_paths *ret, int dir_fd)
{
        int fd = openat(dir_fd, "implicit", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = 0;
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

static int write_text(const char *text, size_t size, int dir_fd, struct mf_record *record)
{
        int fd = openat(dir_fd, "implicit", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        mf_cleanup(mf_fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
        struct mf_content_sum *of = mf_record_content_sum(record);
        char sum[MF_MAC_LENGTH + 1];
        struct stat st;

        if (!f) {
                int r = -errno;
                mf_close(fd);
                return r;
        }
        errno = 0;
        if (fwrite(text, 1, size, f) != size || fflush(f) != 0 || fchmod(fd, 0600) < 0 || fstat(fd, &st) < 0)
                return errno ? -errno : -EIO;
        mf_content_sum_begin(of, size);
        int r = mf_content_sum_add(of, 0, text, size);
        if (r == 0)
                r = mf_content_sum_finish(of, sum);
        return r < 0 ? r : mf_record_add(record, "implicit", &st, sum, -1, NULL);
}

int mf_implied_dirs_write(struct mf_paths *implicit, int (*keep)(void *userdata, const char *path), void *userdata,
                          int dir_fd, struct mf_record *record)
{
        mf_cleanup(mf_freep) char *text = NULL;
        char escaped[4 * PATH_MAX + 1];
        size_t size = 0;

        if (implicit->n == 0)
                return 0;
        FILE *f = open_memstream(&text, &size);
        if (!f)
                return -ENOMEM;
        mf_paths_sort(implicit);
        for (size_t i = 0; i < implicit->n; i++) {
                if ((keep && !keep(userdata, implicit->path[i])) || strlen(implicit->path[i]) >= PATH_MAX)
                        continue;
                mf_record_escape(escaped, implicit->path[i]);
                fprintf(f, "%s\n", escaped);
        }
        int failed = ferror(f);
        if (fclose(f) != 0 || failed)
                return -ENOMEM;
        return size > 0 ? write_text(text, size, dir_fd, record) : 0;
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

int mf_copy_dir_metadata(int from, int to)
{
        struct stat st;

        if (fstat(from, &st) < 0)
                return -errno;
        const struct timespec times[2] = { { 0, UTIME_OMIT }, st.st_mtim };
        if (geteuid() == 0 && fchown(to, st.st_uid, st.st_gid) < 0)
                return -errno;
        int r = copy_xattrs(from, to);
        if (r < 0)
                return r;
        return fchmod(to, st.st_mode & 07777) < 0 || futimens(to, times) < 0 ? -errno : 0;
}
