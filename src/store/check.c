/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/implied-dirs.h"
#include "store/record-table.h"
#include "store/record.h"
#include "store/unflushed.h"
#include "store/whiteouts.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/pathlist.h"

enum {
        TYPE = MF_RECORD_TYPE,
        CONTENT = MF_RECORD_CONTENT,
        XATTRS = MF_RECORD_XATTRS,
        NAME = MF_RECORD_NAME,
        N_FIELDS = MF_RECORD_FIELDS
};

static const char *const field_names[N_FIELDS] = {
        "type", "mode", "owner", "group", "size", "content", "extended attributes", "path", "target"
};

struct run {
        struct mf_check *check;
        struct mayfly_error *err;
        const char *path; /* of the image */
        int image_fd;
        struct mf_record_table table; /* its lines' ino: of what was found under that name, 0 before */
        struct mf_content_sum *sum;
        struct mf_paths directories;   /* still to be looked into */
        char *buffer;                  /* MF_CONTENT_SUM_BLOCK */
        char line[MF_RECORD_LINE_MAX]; /* of what is found */
};

static int differ(struct run *run, const char *path, const char *what)
{
        run->check->differences++;
        if (run->check->difference && run->check->difference(run->check->userdata, path, what) != 0)
                return mf_error(run->err, -ECANCELED, MAYFLY_STAGE_STORE, "checking %s was cancelled", run->path);
        return 0;
}

static int cannot(struct run *run, int code, const char *doing, const char *path)
{
        return mf_error_errno(run->err, code, MAYFLY_STAGE_STORE, "%s %s/%s%s", doing, run->path, path,
                              code == -EACCES ? ", which only root can check" : "");
}

/* --- the record ----------------------------------------------------------------------------------------------- */

/* 1 when there is a record to go by, 0 when that is itself what is damaged. */
static int load_record(struct run *run, const char *id)
{
        const char *why;

        int r = mf_record_table_load(&run->table, run->image_fd, id, &why);
        if (r == -EBADMSG) {
                r = differ(run, "record", why);
                return r < 0 ? r : 0;
        }
        return r < 0 ? cannot(run, r, "reading", "record") : 1;
}

/* --- what is there -------------------------------------------------------------------------------------------- */

/* Holes are not read. */
static int sum_content(struct run *run, int fd, uint64_t size, char ret[MF_MAC_LENGTH + 1])
{
        uint64_t at = 0;

        mf_content_sum_begin(run->sum, size);
        while (at < size) {
                off_t data = lseek(fd, (off_t) at, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        break;
                if (data > 0) /* else: a file system that knows of no holes */
                        at = (uint64_t) data;
                off_t hole = lseek(fd, (off_t) at, SEEK_HOLE);
                uint64_t end = hole > (off_t) at && (uint64_t) hole < size ? (uint64_t) hole : size;
                while (at < end) {
                        size_t want = end - at < MF_CONTENT_SUM_BLOCK ? (size_t) (end - at) : MF_CONTENT_SUM_BLOCK;
                        ssize_t n = pread(fd, run->buffer, want, (off_t) at);
                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n < 0)
                                return -errno;
                        if (n == 0) /* became shorter meanwhile */
                                return mf_content_sum_finish(run->sum, ret);
                        if (mf_content_sum_add(run->sum, at, run->buffer, (size_t) n) < 0)
                                return -EIO;
                        at += (uint64_t) n;
                        run->check->bytes += (uint64_t) n;
                }
        }
        return mf_content_sum_finish(run->sum, ret);
}

/* The fields of what differs, as "mode 0644 instead of 0600, content". */
static int compare_fields(struct run *run, const struct mf_record_line *expected, const struct mf_record_line *found)
{
        char what[1024] = "";
        size_t used = 0;

        for (size_t i = 0; i < N_FIELDS && used < sizeof(what) - 1; i++) {
                if (i == NAME || strcmp(expected->field[i], found->field[i]) == 0)
                        continue;
                int n = snprintf(what + used, sizeof(what) - used, "%s%s", used ? ", " : "", field_names[i]);
                used += n > 0 ? (size_t) n : 0;
                if (i == CONTENT || i == XATTRS || used >= sizeof(what) - 1)
                        continue;
                n = snprintf(what + used, sizeof(what) - used, " %.200s instead of %.200s", found->field[i],
                             expected->field[i]);
                used += n > 0 ? (size_t) n : 0;
                if (i == TYPE) /* the rest means nothing then */
                        break;
        }
        return used ? differ(run, expected->field[NAME], what) : 0;
}

/* A damaged disk says EIO (or EUCLEAN, of its own structures): that is damage too. */
static int is_damage(int r)
{
        return r == -EIO || r == -EUCLEAN || r == -EBADMSG;
}

/* Compares an entry whose stat is known with the record's line for it. */
static int compare_entry(struct run *run, const struct mf_record_line *expected, const char *path,
                         const struct stat *st)
{
        char sum[MF_MAC_LENGTH + 1] = "-", xattrs[MF_MAC_LENGTH + 1] = "-", target[4097] = "";
        mf_cleanup(mf_closep) int fd = -1;
        struct mf_record_line found;
        int r = 0;

        if (S_ISLNK(st->st_mode)) {
                ssize_t n = readlinkat(run->image_fd, path, target, sizeof(target) - 1);
                r = n < 0 ? -errno : 0;
                target[n < 0 ? 0 : n] = '\0';
        } else if (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)) {
                fd = mf_open_beneath(run->image_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
                r = fd < 0 ? fd : 0;
                if (r == 0 && S_ISREG(st->st_mode))
                        r = sum_content(run, fd, (uint64_t) st->st_size, sum);
                if (r == 0)
                        r = mf_content_sum_xattrs(run->sum, fd, xattrs);
        }
        if (is_damage(r))
                return differ(run, expected->field[NAME], "it cannot be read: the disk reports an error");
        if (r == -EACCES && !(st->st_mode & 0400)) { /* the mode keeps us out, and is compared itself */
                snprintf(sum, sizeof(sum), "%s", expected->field[CONTENT]);
                snprintf(xattrs, sizeof(xattrs), "%s", expected->field[XATTRS]);
        } else if (r < 0) {
                return cannot(run, r, "reading", expected->field[NAME]);
        }
        mf_record_format(run->line, path, st, sum, xattrs, S_ISLNK(st->st_mode) ? target : NULL);
        run->line[strlen(run->line) - 1] = '\0';
        if (mf_record_cut(run->line, &found) < 0)
                return cannot(run, -EIO, "describing", expected->field[NAME]);
        return compare_fields(run, expected, &found);
}

static int check_entry(struct run *run, int dirfd, const char *base, const char *path)
{
        mf_cleanup(mf_freep) char *name = malloc(strlen(path) * 4 + 1);
        struct stat st;

        if (!name)
                return cannot(run, -ENOMEM, "checking", path);
        mf_record_escape(name, path);
        if (fstatat(dirfd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return is_damage(-errno) ? differ(run, name, "it cannot be read: the disk reports an error")
                                         : cannot(run, -errno, "looking at", name);
        run->check->entries++;
        struct mf_record_line *expected = mf_record_table_find(&run->table, name);
        if (!expected) /* and so is all below it */
                return differ(run, name, "it was not there when the image was published");
        expected->ino = st.st_ino;
        if (S_ISDIR(st.st_mode) && expected->field[TYPE][0] == 'd') {
                int r = mf_paths_add(&run->directories, strdup(path));
                if (r < 0)
                        return cannot(run, r, "checking", name);
        }
        if (expected->field[TYPE][0] == 'h') /* compared under its first name; see check_table() */
                return 0;
        return compare_entry(run, expected, path, &st);
}

static int check_directory(struct run *run, const char *path)
{
        int fd = mf_open_beneath(run->image_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_DIRECTORY), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                r = fd < 0 ? fd : -errno;
                mf_close(fd);
                return is_damage(r) || r == -ENOENT ? 0 : cannot(run, r, "opening", path);
        }
        errno = 0;
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir)); errno = 0) {
                mf_cleanup(mf_freep) char *inner = NULL;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (asprintf(&inner, "%s/%s", path, entry->d_name) < 0) {
                        inner = NULL;
                        r = cannot(run, -ENOMEM, "checking", path);
                } else {
                        r = check_entry(run, fd, entry->d_name, inner);
                }
        }
        if (r == 0 && errno)
                r = is_damage(-errno) ? differ(run, path, "it cannot be read: the disk reports an error")
                                      : cannot(run, -errno, "reading", path);
        closedir(dir);
        return r;
}

/* The image's directory itself has nothing but what is recorded, the record, the mark of what is not flushed, and the
 * note of a signature, which has a sum of its own. */
static int check_top(struct run *run)
{
        int fd = openat(run->image_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                r = cannot(run, -errno, "opening", ".");
                mf_close(fd);
                return r;
        }
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    strcmp(entry->d_name, "record") != 0 && strcmp(entry->d_name, "signature") != 0 &&
                    strcmp(entry->d_name, MF_UNFLUSHED_MARK) != 0)
                        r = check_entry(run, fd, entry->d_name, entry->d_name);
        closedir(dir);
        return r;
}

/* What was not found, and hard links that are none any more. */
static int check_table(struct run *run)
{
        int r = 0;

        for (size_t i = 0; i < run->table.n && r == 0; i++) {
                struct mf_record_line *expected = &run->table.line[i];
                const struct mf_record_line *first = mf_record_table_first(&run->table, expected);
                if (!expected->ino)
                        r = differ(run, expected->field[NAME], "it is missing");
                else if (first != expected && (!first || first->ino != expected->ino))
                        r = differ(run, expected->field[NAME], "it is no hard link any more");
        }
        return r;
}

/* Finds directories that hide nothing of lower layers any more. Only the owner of the image can see what does it. */
static int check_opaque(struct run *run)
{
        struct mf_paths opaque = { 0 };
        struct stat st;

        int r = mf_dirs_list_load(MF_OPAQUE_DIRS, &opaque, run->image_fd);
        if (r < 0)
                r = is_damage(r) ? differ(run, MF_OPAQUE_DIRS, "it cannot be read: the disk reports an error")
                                 : cannot(run, r, "reading", MF_OPAQUE_DIRS);
        for (size_t i = 0; i < opaque.n && r == 0 && fstat(run->image_fd, &st) == 0 && st.st_uid == geteuid(); i++) {
                mf_cleanup(mf_closep) int fd = mf_open_beneath(run->image_fd, opaque.path[i], O_RDONLY | O_DIRECTORY);
                if (fd >= 0 && mf_is_opaque(fd) == 0)
                        r = differ(run, opaque.path[i],
                                   "the extended attribute is missing that hides what is in lower layers");
        }
        mf_paths_clear(&opaque);
        return r;
}

int mf_check_image(int image_fd, const char *id, const char *path, struct mf_check *check, struct mayfly_error *err)
{
        struct run *run = calloc(1, sizeof(*run));
        int r = -ENOMEM;

        if (run) {
                run->check = check;
                run->err = err;
                run->path = path;
                run->image_fd = image_fd;
                run->sum = mf_content_sum_new();
                run->buffer = malloc(MF_CONTENT_SUM_BLOCK);
        }
        if (!run || !run->sum || !run->buffer)
                mf_error_oom(err, MAYFLY_STAGE_STORE);
        else
                r = load_record(run, id);
        if (r == 1) {
                r = check_top(run);
                while (r == 0 && run->directories.n > 0) {
                        mf_cleanup(mf_freep) char *directory = run->directories.path[--run->directories.n];
                        r = check_directory(run, directory);
                }
                if (r == 0)
                        r = check_table(run);
                if (r == 0)
                        r = check_opaque(run);
        }
        if (run) {
                mf_paths_clear(&run->directories);
                mf_content_sum_free(run->sum);
                free(run->buffer);
                mf_record_table_clear(&run->table);
                free(run);
        }
        return r;
}
