/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/read.h"
#include "archive/tar.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define MEMBERS_MAX ((size_t) 100000)
#define LINKS_MAX 8

/* A file or link in the tar. */
struct member {
        char *name;
        char *link; /* the name that it leads to; NULL for a file */
        uint64_t offset, size;
        size_t order; /* of the names that are equal the last one counts */
        int is_sparse;
};

struct mf_oci_files {
        char *path;
        int fd; /* of the directory or the tar */
        int is_directory;
        struct member *member; /* sorted by name */
        size_t n, allocated;
        uint64_t position, size; /* while the tar is read */
        char block[65536];
};

const char *mf_oci_files_path(const struct mf_oci_files *files)
{
        return files->path;
}

int mf_oci_files_is_directory(const struct mf_oci_files *files)
{
        return files->is_directory;
}

struct mf_oci_files *mf_oci_files_free(struct mf_oci_files *files)
{
        if (files) {
                for (size_t i = 0; i < files->n; i++) {
                        free(files->member[i].name);
                        free(files->member[i].link);
                }
                free(files->member);
                mf_close(files->fd);
                free(files->path);
                free(files);
        }
        return NULL;
}

/* --- reading the tar ---------------------------------------------------------------------------------------------- */

/* The mf_tar_source: gives the next piece of the file. */
static ssize_t next_piece(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct mf_oci_files *files = userdata;
        ssize_t n;

        do
                n = pread(files->fd, files->block, sizeof(files->block), (off_t) files->position);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be read", files->path);
        files->position += (uint64_t) n;
        *ret = files->block;
        return n;
}

static int skip_bytes(void *userdata, uint64_t size, struct mayfly_error *err)
{
        struct mf_oci_files *files = userdata;

        if (size > files->size - files->position)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "it ends in the middle of an entry, after %llu bytes; copy it again",
                                (unsigned long long) files->size);
        files->position += size;
        return 0;
}

/* Sets *ret to the name that a link leads to, allocated; NULL when that is not in the archive. Returns 0 or -ENOMEM. */
static int link_target(const char *name, const struct mf_entry *entry, char **ret)
{
        const char *target = entry->hardlink ? entry->hardlink : entry->symlink;
        mf_cleanup(mf_freep) char *joined = NULL;
        char clean[PATH_MAX];
        const char *why, *slash = strrchr(name, '/');

        size_t above = entry->symlink && slash ? (size_t) (slash - name) : 0;
        while (entry->symlink && strncmp(target, "../", 3) == 0 && above > 0) {
                target += 3;
                while (above > 0 && name[--above] != '/')
                        ;
        }
        if (asprintf(&joined, "%.*s/%s", (int) above, name, target) < 0) {
                joined = NULL;
                return -ENOMEM;
        }
        mf_entry_normalize(joined + strspn(joined, "/"), clean, &why);
        *ret = strdup(why ? "" : clean);
        return *ret ? 0 : -ENOMEM;
}

/* Adds an entry of the tar. Returns 0 or negative errno. */
static int add_member(struct mf_oci_files *files, const struct mf_tar *tar, const struct mf_entry *entry,
                      struct mayfly_error *err)
{
        struct member member = { .offset = mf_tar_position(tar), .size = entry->size, .order = files->n };
        char name[PATH_MAX];
        const char *why;

        mf_entry_normalize(entry->name + strspn(entry->name, "/"), name, &why);
        if (why || !*name || (!S_ISREG(entry->mode) && !S_ISLNK(entry->mode)))
                return 0;
        if (files->n == MEMBERS_MAX)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                                "it has more than %zu files; an archive of images has a few for each layer",
                                MEMBERS_MAX);
        struct member *grown = mf_grow(files->member, files->n, &files->allocated, sizeof(*grown));
        if (!grown)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        files->member = grown;
        member.is_sparse = entry->sparse != NULL;
        if ((entry->hardlink || entry->symlink) && link_target(name, entry, &member.link) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        member.name = strdup(name);
        if (!member.name) {
                free(member.link);
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        }
        files->member[files->n++] = member;
        return 0;
}

static int compare(const void *a, const void *b)
{
        const struct member *one = a, *other = b;
        int r = strcmp(one->name, other->name);

        return r ? r : (one->order < other->order) - (one->order > other->order);
}

/* Puts a copy without compression in the place of a compressed tar. Returns 0 or negative errno. */
static int decompress(struct mf_oci_files *files, const struct mf_spool_limits *limits, struct mayfly_error *err)
{
        char head[MF_ARCHIVE_HEAD];

        ssize_t n = pread(files->fd, head, sizeof(head), 0);
        if (n <= 0 || !mf_archive_is_compressed(head, (size_t) n))
                return 0;
        int copy = mf_spool(files->fd, files->path, limits, err);
        if (copy < 0)
                return copy;
        mf_close(files->fd);
        files->fd = copy;
        files->size = (uint64_t) lseek(copy, 0, SEEK_END);
        return 0;
}

/* Finds all files in the tar. Returns 0 or negative errno. */
static int read_tar(struct mf_oci_files *files, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_tar *tar = mf_tar_new(next_piece, files);
        struct mf_entry entry;
        int r;

        if (!tar)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        mf_tar_set_skip(tar, skip_bytes);
        mf_tar_may_lack_end(tar);
        while ((r = mf_tar_next(tar, &entry, &why)) > 0) {
                r = add_member(files, tar, &entry, &why);
                if (r < 0)
                        break;
        }
        mf_tar_free(tar);
        if (r < 0)
                return mf_error(err, r, why.stage, "%s is not an OCI archive or a docker archive that can be read: %s",
                                files->path, why.message);
        if (files->n > 0)
                qsort(files->member, files->n, sizeof(*files->member), compare);
        return 0;
}

/* --- finding ------------------------------------------------------------------------------------------------------ */

int mf_oci_files_open(struct mf_oci_files **ret, const char *path, const struct mf_spool_limits *limits,
                      struct mayfly_error *err)
{
        struct mf_oci_files *files = calloc(1, sizeof(*files));
        struct stat st = { 0 };
        int r = 0;

        if (!files)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        files->path = strdup(path);
        files->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (!files->path)
                r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        else if (files->fd < 0 || fstat(files->fd, &st) < 0)
                r = mf_error(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be opened: %s; check the path", path,
                             strerrordesc_np(errno));
        else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_ARCHIVE,
                             "%s is neither a directory nor a regular file; name a layout or an archive", path);
        if (r == 0) {
                files->is_directory = S_ISDIR(st.st_mode);
                files->size = (uint64_t) st.st_size;
        }
        if (r == 0 && !files->is_directory)
                r = decompress(files, limits, err);
        if (r == 0 && !files->is_directory)
                r = read_tar(files, err);
        if (r < 0)
                mf_oci_files_free(files);
        else
                *ret = files;
        return r;
}

/* Opens a file of a directory. Returns as mf_oci_files_get(). */
static int get_in_directory(const struct mf_oci_files *files, const char *name, struct mf_oci_file *ret,
                            struct mayfly_error *err)
{
        struct stat st;

        int fd = mf_open_beneath(files->fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd == -ENOENT || fd == -ENOTDIR)
                return -ENOENT;
        if (fd < 0)
                return mf_error(err, fd, MAYFLY_STAGE_ARCHIVE, "%s/%s cannot be opened: %s; %s", files->path, name,
                                strerrordesc_np(-fd),
                                fd == -ELOOP || fd == -EXDEV ? "a layout must not have symbolic links"
                                                             : "check its permissions");
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                mf_close(fd);
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "%s/%s is not a regular file", files->path, name);
        }
        *ret = (struct mf_oci_file){ .fd = fd, .is_own = 1, .size = (uint64_t) st.st_size };
        return 0;
}

/* Returns the member, or NULL when the tar has none of that name. */
static const struct member *find(const struct mf_oci_files *files, const char *name)
{
        size_t low = 0, high = files->n;

        while (low < high) { /* the first of equal names */
                size_t middle = low + (high - low) / 2;
                if (strcmp(files->member[middle].name, name) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < files->n && strcmp(files->member[low].name, name) == 0 ? &files->member[low] : NULL;
}

int mf_oci_files_get(const struct mf_oci_files *files, const char *name, struct mf_oci_file *ret,
                     struct mayfly_error *err)
{
        if (files->is_directory)
                return get_in_directory(files, name, ret, err);
        const struct member *member = find(files, name);
        for (int i = 0; member && member->link && i < LINKS_MAX; i++)
                member = find(files, member->link);
        if (!member || member->link)
                return -ENOENT;
        if (member->is_sparse)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "%s has \"%.200s\" as a sparse file, which cannot be read in place; make the archive "
                                "without tar's --sparse",
                                files->path, name);
        *ret = (struct mf_oci_file){ .fd = files->fd, .offset = member->offset, .size = member->size };
        return 0;
}

void mf_oci_file_close(struct mf_oci_file *file)
{
        if (file->is_own)
                mf_close(file->fd);
        *file = (struct mf_oci_file){ .fd = -1 };
}

int mf_oci_files_read(const struct mf_oci_files *files, const char *name, size_t max, struct mf_buffer *ret,
                      struct mayfly_error *err)
{
        struct mf_buffer buffer = { 0 };
        struct mf_oci_file file;
        char block[16384];

        int r = mf_oci_files_get(files, name, &file, err);
        if (r < 0)
                return r;
        if (file.size > max)
                r = mf_error(err, -EFBIG, MAYFLY_STAGE_MANIFEST, "%s in %s is larger than %zu bytes", name, files->path,
                             max);
        for (uint64_t at = 0; r == 0 && at < file.size;) {
                size_t want = file.size - at < sizeof(block) ? (size_t) (file.size - at) : sizeof(block);
                ssize_t n = pread(file.fd, block, want, (off_t) (file.offset + at));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        r = mf_error(err, n < 0 ? -errno : -EIO, MAYFLY_STAGE_ARCHIVE, "%s in %s cannot be read: %s",
                                     name, files->path, n < 0 ? strerrordesc_np(errno) : "it has become shorter");
                else if (mf_buffer_add(&buffer, block, (size_t) n) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                at += n > 0 ? (uint64_t) n : 0;
        }
        mf_oci_file_close(&file);
        if (r < 0)
                mf_buffer_clear(&buffer);
        else
                *ret = buffer;
        return r;
}
