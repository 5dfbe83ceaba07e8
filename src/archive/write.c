/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <limits.h>
#include <locale.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/entry.h"
#include "archive/xattr.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define BLOCK ((size_t) 64 * 1024)

struct mf_writer {
        struct archive *tar;  /* into the digest and the blob */
        struct archive *blob; /* into the descriptor, compressed */
        struct archive_entry *entry;
        struct mf_digest *digest;
        void *names;            /* of a copied archive: a tree, to find what comes twice */
        locale_t utf8, callers; /* libarchive writes names that are UTF-8 plainly, if the locale is; others as bytes */
        int fd;
        int error; /* of write(2) */
};

static int failed(struct mf_writer *writer, const char *what, struct mayfly_error *err)
{
        const char *text = archive_error_string(writer->tar);

        if (writer->error)
                return mf_error_errno(err, writer->error, MAYFLY_STAGE_ARCHIVE, "writing the image");
        return mf_error(err, archive_errno(writer->tar) == ENOMEM ? -ENOMEM : -EIO, MAYFLY_STAGE_ARCHIVE,
                        "writing %s into the image: %s", what, text ? text : "libarchive failed");
}

/* --- the way of the bytes */

/* An error is kept for who called: libarchive, told of it, would not free what its filters have. */
static ssize_t on_blob(struct archive *a, void *userdata, const void *data, size_t size)
{
        struct mf_writer *writer = userdata;

        (void) a;
        if (!writer->error)
                writer->error = mf_write_full(writer->fd, data, size);
        return (ssize_t) size;
}

static ssize_t on_tar(struct archive *a, void *userdata, const void *data, size_t size)
{
        struct mf_writer *writer = userdata;

        (void) a;
        if (!writer->error && (mf_digest_update(writer->digest, data, size) < 0 ||
                               archive_write_data(writer->blob, data, size) != (ssize_t) size))
                writer->error = -EIO;
        return (ssize_t) size;
}

static int open_blob(struct mf_writer *writer, enum mayfly_compression compression)
{
        struct archive *blob = writer->blob = archive_write_new();
        struct archive_entry *entry = archive_entry_new();
        int r = blob && entry ? archive_write_set_format_raw(blob) : ARCHIVE_FATAL;

        /* No time and no name in the header, for they say nothing of the content. */
        if (r == ARCHIVE_OK && compression == MAYFLY_COMPRESSION_GZIP)
                r = archive_write_add_filter_gzip(blob) == ARCHIVE_OK
                            ? archive_write_set_filter_option(blob, "gzip", "timestamp", NULL)
                            : ARCHIVE_FATAL;
        else if (r == ARCHIVE_OK && compression == MAYFLY_COMPRESSION_XZ)
                r = archive_write_add_filter_xz(blob);
        if (r == ARCHIVE_OK)
                r = archive_write_set_bytes_in_last_block(blob, 1);
        if (r == ARCHIVE_OK)
                r = archive_write_open2(blob, writer, NULL, on_blob, NULL, NULL);
        if (r == ARCHIVE_OK) {
                archive_entry_set_filetype(entry, AE_IFREG);
                archive_entry_set_pathname(entry, "data");
                r = archive_write_header(blob, entry);
        }
        archive_entry_free(entry);
        return r;
}

static int open_tar(struct mf_writer *writer)
{
        struct archive *tar = writer->tar = archive_write_new();
        int r = tar ? archive_write_set_format_pax_restricted(tar) : ARCHIVE_FATAL;

        if (r == ARCHIVE_OK)
                r = archive_write_set_bytes_per_block(tar, 10240); /* as tar(1) pads */
        return r == ARCHIVE_OK ? archive_write_open2(tar, writer, NULL, on_tar, NULL, NULL) : r;
}

int mf_writer_new(struct mf_writer **ret, int fd, enum mayfly_compression compression, struct mayfly_error *err)
{
        struct mf_writer *writer = calloc(1, sizeof(*writer));

        if (writer) {
                writer->fd = fd;
                writer->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
                writer->callers = writer->utf8 ? uselocale(writer->utf8) : (locale_t) 0;
                writer->digest = mf_digest_new();
                writer->entry = archive_entry_new();
        }
        if (!writer || !writer->digest || !writer->entry || open_blob(writer, compression) != ARCHIVE_OK ||
            open_tar(writer) != ARCHIVE_OK) {
                int r = writer && writer->error ? writer->error : -ENOMEM;
                mf_writer_free(writer);
                return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "beginning the image");
        }
        *ret = writer;
        return 0;
}

struct mf_writer *mf_writer_free(struct mf_writer *writer)
{
        if (writer) {
                if (!writer->error)
                        writer->error = -ECANCELED; /* not to write the rest of what has failed */
                archive_write_free(writer->tar);
                archive_write_free(writer->blob);
                archive_entry_free(writer->entry);
                mf_digest_free(writer->digest);
                tdestroy(writer->names, free);
                if (writer->utf8) {
                        uselocale(writer->callers);
                        freelocale(writer->utf8);
                }
                free(writer);
        }
        return NULL;
}

int mf_writer_finish(struct mf_writer *writer, char id[MF_ID_LENGTH + 1], struct mayfly_error *err)
{
        if (archive_write_close(writer->tar) != ARCHIVE_OK || writer->error)
                return failed(writer, "its end", err);
        if (archive_write_close(writer->blob) != ARCHIVE_OK || writer->error)
                return failed(writer, "its end", err);
        return mf_digest_final(writer->digest, id) < 0
                       ? mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "libcrypto failed to finish the digest")
                       : 0;
}

/* --- entries */

int mf_writer_begin(struct mf_writer *writer, const char *name, const struct stat *st, const char *symlink,
                    const char *hardlink, struct mayfly_error *err)
{
        struct archive_entry *entry = archive_entry_clear(writer->entry);

        if (!entry)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        archive_entry_copy_pathname(entry, name);
        archive_entry_set_mode(entry, st->st_mode);
        archive_entry_set_uid(entry, st->st_uid);
        archive_entry_set_gid(entry, st->st_gid);
        archive_entry_set_mtime(entry, st->st_mtim.tv_sec, 0);
        archive_entry_set_size(entry, S_ISREG(st->st_mode) && !hardlink ? st->st_size : 0);
        if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
                archive_entry_set_rdev(entry, st->st_rdev);
        if (symlink)
                archive_entry_copy_symlink(entry, symlink);
        if (hardlink)
                archive_entry_copy_hardlink(entry, hardlink);
        return 0;
}

void mf_writer_xattr(struct mf_writer *writer, const char *name, const void *value, size_t size)
{
        archive_entry_xattr_add_entry(writer->entry, name, value, size);
}

int mf_writer_put(struct mf_writer *writer, struct mayfly_error *err)
{
        /* A warning is of a character set: the bytes are there. */
        return archive_write_header(writer->tar, writer->entry) < ARCHIVE_WARN || writer->error
                       ? failed(writer, archive_entry_pathname(writer->entry), err)
                       : 0;
}

int mf_writer_data(struct mf_writer *writer, const void *data, size_t size, struct mayfly_error *err)
{
        return archive_write_data(writer->tar, data, size) != (ssize_t) size || writer->error
                       ? failed(writer, archive_entry_pathname(writer->entry), err)
                       : 0;
}

/* --- from a tar */

static int compare(const void *a, const void *b)
{
        return strcmp(a, b);
}

static int refuse(struct mayfly_error *err, const char *name, const char *why)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive's entry \"%.300s\" %s", name, why);
}

/* "rootfs", or "rootfs/" and the name. */
static int place(const char *name, const char *what, char ret[PATH_MAX + 8], struct mayfly_error *err)
{
        char clean[PATH_MAX];
        const char *why;

        mf_entry_normalize(what, clean, &why);
        if (why)
                return refuse(err, name, why);
        snprintf(ret, PATH_MAX + 8, *clean ? "rootfs/%s" : "rootfs%s", clean);
        return 0;
}

/* The name, as it is kept; NULL: out of memory. */
static const char *note_name(struct mf_writer *writer, const char *path, int *ret_new)
{
        char *name = strdup(path), **found = name ? tsearch(name, &writer->names, compare) : NULL;

        *ret_new = found && *found == name;
        if (!*ret_new)
                free(name);
        return found ? *found : NULL;
}

static int begin_copy(struct mf_writer *writer, struct archive_entry *from, const struct mf_rewrite *rewrite,
                      struct mayfly_error *err)
{
        char path[PATH_MAX + 8], link[PATH_MAX + 8];
        const char *name = archive_entry_pathname(from), *hardlink = archive_entry_hardlink(from);
        const char *xattr;
        const void *value;
        size_t size;
        int is_new;
        struct stat st = { .st_mode = archive_entry_mode(from),
                           .st_uid = rewrite->owner_root ? 0 : (uid_t) archive_entry_uid(from),
                           .st_gid = rewrite->owner_root ? 0 : (gid_t) archive_entry_gid(from),
                           .st_rdev = archive_entry_rdev(from),
                           .st_size = archive_entry_size(from),
                           .st_mtim.tv_sec = archive_entry_mtime(from) };

        if (!name)
                return refuse(err, "?", "has no name");
        if (st.st_mtim.tv_sec > rewrite->latest)
                st.st_mtim.tv_sec = (time_t) rewrite->latest;
        int r = place(name, name, path, err);
        if (r == 0 && hardlink)
                r = place(name, hardlink, link, err);
        if (r < 0)
                return r;
        if (hardlink)
                st.st_mode = S_IFREG | (st.st_mode & 07777);
        if (!note_name(writer, path, &is_new))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (!is_new)
                return refuse(err, name, "is there twice; make the archive anew, without what was appended to it");
        r = mf_writer_begin(writer, path, &st, archive_entry_symlink(from), hardlink ? link : NULL, err);
        archive_entry_xattr_reset(from);
        while (r == 0 && archive_entry_xattr_next(from, &xattr, &value, &size) == ARCHIVE_OK)
                if (mf_xattr_is_kept(xattr))
                        mf_writer_xattr(writer, xattr, value, size);
        return r;
}

static int read_failed(struct archive *in, struct mayfly_error *err)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                        "reading the root file system's archive: %s; give a folder, or a tar archive",
                        archive_error_string(in) ? archive_error_string(in) : "damaged data");
}

static int copy_data(struct mf_writer *writer, struct archive *in, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *block = malloc(BLOCK);
        ssize_t n = 0;
        int r = block ? 0 : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);

        while (r == 0 && (n = archive_read_data(in, block, BLOCK)) > 0)
                r = mf_writer_data(writer, block, (size_t) n, err);
        return r == 0 && n < 0 ? read_failed(in, err) : r;
}

/* An archive need not have an entry for its root. */
static int put_root(struct mf_writer *writer, const struct mf_rewrite *rewrite, struct mayfly_error *err)
{
        const struct stat st = { .st_mode = S_IFDIR | 0755,
                                 .st_mtim.tv_sec = rewrite->latest == INT64_MAX ? 0 : (time_t) rewrite->latest };
        int is_new;

        if (!note_name(writer, "rootfs", &is_new))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        int r = mf_writer_begin(writer, "rootfs", &st, NULL, NULL, err);
        return r == 0 ? mf_writer_put(writer, err) : r;
}

static int is_root(struct archive_entry *entry)
{
        const char *name = archive_entry_pathname(entry);

        return name && (strcmp(name, ".") == 0 || strcmp(name, "./") == 0);
}

int mf_writer_copy_tar(struct mf_writer *writer, int fd, const struct mf_rewrite *rewrite, struct mayfly_error *err)
{
        struct archive *in = archive_read_new();
        struct archive_entry *entry;
        int r = 0, status, first = 1;

        if (!in)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        (void) archive_read_support_filter_all(in);
        (void) archive_read_support_format_tar(in);
        (void) archive_read_set_options(in, "hdrcharset=BINARY");
        status = archive_read_open_fd(in, fd, BLOCK);
        while (r == 0 && status >= ARCHIVE_WARN && (status = archive_read_next_header(in, &entry)) >= ARCHIVE_WARN &&
               status != ARCHIVE_EOF) {
                if (first && !is_root(entry))
                        r = put_root(writer, rewrite, err);
                else if (!first && is_root(entry))
                        continue;
                first = 0;
                if (r == 0)
                        r = begin_copy(writer, entry, rewrite, err);
                if (r == 0)
                        r = mf_writer_put(writer, err);
                if (r == 0 && !archive_entry_hardlink(entry))
                        r = copy_data(writer, in, err);
        }
        if (r == 0 && status != ARCHIVE_EOF)
                r = read_failed(in, err);
        if (r == 0 && first)
                r = put_root(writer, rewrite, err);
        archive_read_free(in);
        return r;
}
