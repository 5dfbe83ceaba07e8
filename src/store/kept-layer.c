/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/kept-layer.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/implied-dirs.h"
#include "store/record-table.h"
#include "store/whiteouts.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

struct run {
        const struct mf_kept_layer *of;
        int dirfd;
        struct mf_record *record;
        struct mf_record_table table; /* of the layer */
        struct mf_whiteouts whiteouts;
        struct mayfly_error *err;
        char path[4 * PATH_MAX], target[4 * PATH_MAX]; /* of the entry that is copied */
};

static int cannot(struct run *run, int code, const char *doing)
{
        return mf_error_errno(run->err, code, MAYFLY_STAGE_STORE,
                              "%s \"%.300s\" of %.20s... for a user who keeps the ID", doing, run->path, run->of->id);
}

/* --- one entry ------------------------------------------------------------------------------------------------ */

/* Copies the data of a file, and leaves its holes out. */
static int copy_data(int from, int to, off_t size)
{
        if (ioctl(to, FICLONE, from) == 0)
                return 0;
        if (ftruncate(to, size) < 0)
                return -errno;
        for (off_t at = 0, end; at < size; at = end) {
                at = lseek(from, at, SEEK_DATA);
                if (at < 0)
                        return errno == ENXIO ? 0 : -errno; /* nothing but a hole is left */
                end = lseek(from, at, SEEK_HOLE);
                if (end < 0)
                        return -errno;
                loff_t in = at, out = at;
                while (in < end) {
                        ssize_t n = copy_file_range(from, &in, to, &out, (size_t) (end - in), 0);
                        if (n < 0 && errno != EINTR)
                                return -errno;
                        if (n == 0)
                                return -EIO; /* it has become shorter */
                }
        }
        return 0;
}

/* Looks at an entry, and replaces its owner by that of the copy. */
static int look(const struct run *run, int from, struct stat *ret)
{
        if (fstatat(from, "", ret, AT_EMPTY_PATH) < 0)
                return -errno;
        ret->st_uid = mf_keep_id_outside(ret->st_uid, run->of->ids.uid);
        ret->st_gid = mf_keep_id_outside(ret->st_gid, run->of->ids.gid);
        return 0;
}

/* Gives a copy its metadata, which *st has, and looks at it again, to record it. */
static int finish(int from, int to, struct stat *st)
{
        int r = mf_copy_metadata(from, to, st);

        return r == 0 && fstat(to, st) < 0 ? -errno : r;
}

/* Notes that the layer hides what lower layers have there. */
static int hide(struct run *run)
{
        return mf_paths_add(&run->whiteouts.hidden, strdup(run->path));
}

static int copy_file(struct run *run, const struct mf_record_line *line)
{
        mf_cleanup(mf_closep) int from = openat(run->of->fd, run->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        struct stat st = { 0 };

        int r = from < 0 ? -errno : look(run, from, &st);
        if (r == 0 && !S_ISREG(st.st_mode))
                r = -EBADMSG;
        if (r < 0)
                return r;
        if (st.st_size == 0 && mf_is_whiteout(from))
                return hide(run);
        mf_cleanup(mf_closep) int to =
                openat(run->dirfd, run->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        r = to < 0 ? -errno : 0;
        if (r == 0)
                r = copy_data(from, to, st.st_size);
        if (r == 0)
                r = finish(from, to, &st);
        return r < 0 ? r
                     : mf_record_add(run->record, run->path, &st, line->field[MF_RECORD_CONTENT],
                                     strcmp(line->field[MF_RECORD_XATTRS], "-") != 0 ? to : -1, NULL);
}

/* Copies a symbolic link, a FIFO or a device. */
static int copy_node(struct run *run)
{
        mf_cleanup(mf_closep) int from = openat(run->of->fd, run->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st = { 0 };

        int r = from < 0 ? -errno : look(run, from, &st);
        if (r < 0)
                return r;
        if (S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
                return hide(run);
        const struct timespec times[2] = { { 0, UTIME_OMIT }, st.st_mtim };
        const int is_link = S_ISLNK(st.st_mode);
        if ((is_link ? symlinkat(run->target, run->dirfd, run->path)
                     : mknodat(run->dirfd, run->path, (st.st_mode & S_IFMT) | 0600, st.st_rdev)) < 0 ||
            fchownat(run->dirfd, run->path, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0 ||
            (!is_link && fchmodat(run->dirfd, run->path, st.st_mode & 07777, 0) < 0) ||
            utimensat(run->dirfd, run->path, times, AT_SYMLINK_NOFOLLOW) < 0 ||
            fstatat(run->dirfd, run->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return mf_record_add(run->record, run->path, &st, NULL, -1, is_link ? run->target : NULL);
}

static int copy_entry(struct run *run, const struct mf_record_line *line)
{
        switch (line->field[MF_RECORD_TYPE][0]) {
        case 'd':
                return mf_mkdir_private(run->dirfd, run->path); /* finish_directory() does the rest */
        case 'f':
                return copy_file(run, line);
        case 'h':
                return 0; /* link_entry(), when all files are there */
        default:
                return copy_node(run);
        }
}

static int link_entry(struct run *run)
{
        if (linkat(run->dirfd, run->target, run->dirfd, run->path, 0) < 0)
                return -errno;
        return mf_record_add_hardlink(run->record, run->path, run->target);
}

static int finish_directory(struct run *run)
{
        mf_cleanup(mf_closep) int from =
                openat(run->of->fd, run->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        mf_cleanup(mf_closep) int to = openat(run->dirfd, run->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st = { 0 };

        if (from < 0 || to < 0)
                return -errno;
        int r = look(run, from, &st);
        if (r == 0)
                r = finish(from, to, &st);
        return r < 0 ? r : mf_record_add(run->record, run->path, &st, NULL, to, NULL);
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

/* Sets run->path and run->target. Returns whether the line's entry is one of the root file system. */
static int take(struct run *run, const struct mf_record_line *line)
{
        const char *target = line->field[MF_RECORD_TARGET];

        if (!mf_record_in_rootfs(line, run->path, sizeof(run->path)) || strlen(target) >= sizeof(run->target))
                return 0;
        mf_record_unescape(run->target, target);
        return 1;
}

/* Copies all but what hides lower layers. A hard link may come before the file in the table. */
static int copy_lines(struct run *run)
{
        int r = 0;

        for (size_t i = 0; i < run->table.n && r == 0; i++)
                if (take(run, &run->table.line[i]))
                        r = copy_entry(run, &run->table.line[i]);
        for (size_t i = 0; i < run->table.n && r == 0; i++)
                if (run->table.line[i].field[MF_RECORD_TYPE][0] == 'h' && take(run, &run->table.line[i]))
                        r = link_entry(run);
        return r;
}

/* What hides lower layers comes before the times of the directories. */
static int copy_whiteouts(struct run *run)
{
        struct mf_open_dirs *dirs = mf_open_dirs_new(run->dirfd);
        const char *path = "";

        int r = dirs ? mf_dirs_list_load(MF_OPAQUE_DIRS, &run->whiteouts.opaque, run->of->fd) : -ENOMEM;
        if (r == 0)
                r = mf_whiteouts_apply(&run->whiteouts, dirs, run->dirfd, run->record, &path);
        if (r < 0)
                snprintf(run->path, sizeof(run->path), "%s", path);
        mf_open_dirs_free(dirs);
        return r;
}

static int copy_all(struct run *run)
{
        int r = copy_lines(run);

        if (r == 0)
                r = copy_whiteouts(run);
        for (size_t i = run->table.n; i > 0 && r == 0; i--)
                if (run->table.line[i - 1].field[MF_RECORD_TYPE][0] == 'd' && take(run, &run->table.line[i - 1]))
                        r = finish_directory(run);
        return r < 0 ? cannot(run, r, "copying") : 0;
}

static int make(void *userdata, int dirfd, struct mf_record *record, struct mayfly_error *err)
{
        const struct mf_kept_layer *of = userdata;
        mf_cleanup(mf_freep) struct run *run = calloc(1, sizeof(*run));

        if (!run)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        *run = (struct run){ .of = of, .dirfd = dirfd, .record = record, .err = err };
        int r = mf_record_table_need(&run->table, of->fd, of->id, err);
        if (r == 0)
                r = copy_all(run);
        mf_whiteouts_clear(&run->whiteouts);
        mf_record_table_clear(&run->table);
        return r;
}

int mf_kept_layer(struct mf_cached_layer *ret, struct mf_kept_layer *of, struct mayfly_error *err)
{
        struct mf_cached_layer cached = { .make = make, .userdata = of };

        int n = asprintf(&cached.text, "mayfly-layer 1\nkept %u %u\nover %s\nimage %s\n", (unsigned) of->ids.uid,
                         (unsigned) of->ids.gid, of->id, of->image_id);
        if (n < 0)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        cached.size = (size_t) n;
        if (mf_layer_cache_name(&cached) < 0) {
                free(cached.text);
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        *ret = cached;
        return 0;
}
