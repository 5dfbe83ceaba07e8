/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/copy.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/libarchive.h"
#include "archive/tar.h"
#include "util/error.h"
#include "util/macro.h"

#define BLOCK ((size_t) 64 * 1024)

struct copy {
        struct mf_writer *writer;
        struct mf_rewrite *rewrite;
        struct archive *in; /* decompresses */
        void *names;        /* a tree of the names so far, to find those that come twice */
        int seen;           /* whether there was an entry */
};

void mf_rewrite_entry(const struct mf_rewrite *rewrite, struct mf_entry *entry)
{
        if (rewrite->owner_root)
                entry->uid = entry->gid = 0;
        if (entry->mtime.tv_sec > rewrite->latest)
                entry->mtime.tv_sec = (time_t) rewrite->latest;
}

int mf_rewrite_note_acl(struct mf_rewrite *rewrite, const char *name)
{
        if (!rewrite->acl)
                rewrite->acl = strdup(name);
        return rewrite->acl ? 0 : -ENOMEM;
}

/* --- reading */

static int read_failed(struct archive *in, struct mayfly_error *err)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive cannot be decompressed: %s",
                        mf_libarchive.error_string(in) ? mf_libarchive.error_string(in) : "damaged data");
}

static ssize_t next_piece(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct copy *copy = userdata;
        la_int64_t offset;
        size_t size = 0;
        int r;

        do
                r = mf_libarchive.read_data_block(copy->in, ret, &size, &offset);
        while (r == ARCHIVE_OK && size == 0);
        if (r == ARCHIVE_EOF)
                return 0;
        return r == ARCHIVE_OK ? (ssize_t) size : read_failed(copy->in, err);
}

/* Reads to the end: only there do compressed data show that they are whole. */
static int drain(struct copy *copy, struct mayfly_error *err)
{
        const void *ignored;
        ssize_t n;

        while ((n = next_piece(copy, &ignored, err)) > 0) {
        }
        return (int) n;
}

/* --- entries */

static int compare(const void *a, const void *b)
{
        return strcmp(a, b);
}

static int refuse(struct mayfly_error *err, const char *name, const char *why)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive's entry \"%.300s\" %s", name, why);
}

/* Makes the name that an entry has in the image: "rootfs", or "rootfs/" and the name. */
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

/* Remembers the name. Returns 0, -EEXIST if it was there before, or -ENOMEM. */
static int note_name(struct copy *copy, const char *path)
{
        char *name = strdup(path), **found = name ? tsearch(name, &copy->names, compare) : NULL;

        if (found && *found == name)
                return 0;
        free(name);
        return found ? -EEXIST : -ENOMEM;
}

static int copy_entry(struct copy *copy, const struct mf_entry *from, struct mayfly_error *err)
{
        char path[PATH_MAX + 8], link[PATH_MAX + 8];
        struct mf_entry entry = *from;
        const void *data;
        size_t size;
        uint64_t offset;

        if (!(from->mode & S_IFMT))
                return refuse(err, from->name, MF_ENTRY_HAS_BAD_TYPE);
        int r = place(from->name, from->name, path, err);
        if (r == 0 && from->hardlink)
                r = place(from->name, from->hardlink, link, err);
        if (r < 0)
                return r;
        entry.name = path;
        entry.hardlink = from->hardlink ? link : NULL;
        mf_rewrite_entry(copy->rewrite, &entry);
        r = note_name(copy, path);
        if (r == -EEXIST)
                return refuse(err, from->name,
                              "is there twice; make the archive anew, without what was appended to it");
        if (r == 0 && from->has_acl)
                r = mf_rewrite_note_acl(copy->rewrite, path);
        if (r < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        r = mf_writer_put(copy->writer, &entry, err);
        while (r == 0 && (r = mf_tar_data(from, &data, &size, &offset, err)) > 0)
                r = mf_writer_data(copy->writer, data, size, err);
        return r;
}

/* Writes an entry for the root, for archives that have none. */
static int put_root(struct copy *copy, struct mayfly_error *err)
{
        struct mf_entry root = { .name = "rootfs", .mode = S_IFDIR | 0755 };

        if (copy->rewrite->latest != INT64_MAX)
                root.mtime.tv_sec = (time_t) copy->rewrite->latest;
        if (note_name(copy, "rootfs") < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return mf_writer_put(copy->writer, &root, err);
}

static int is_root(const struct mf_entry *entry)
{
        char path[PATH_MAX];
        const char *why;

        mf_entry_normalize(entry->name, path, &why);
        return !why && !*path && S_ISDIR(entry->mode);
}

static int copy_all(struct copy *copy, struct mf_tar *tar, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        struct mf_entry entry;
        int r;

        while ((r = mf_tar_next(tar, &entry, &why)) > 0) {
                const int first = !copy->seen;
                copy->seen = 1;
                if (is_root(&entry) && !first)
                        continue;
                r = first && !is_root(&entry) ? put_root(copy, err) : 0;
                if (r == 0)
                        r = copy_entry(copy, &entry, err);
                if (r < 0)
                        return r;
        }
        if (r < 0)
                return mf_error(err, r, why.stage, "reading the root file system's archive: %s%s", why.message,
                                copy->seen ? "" : "; give a directory, or a tar archive");
        return copy->seen ? 0 : put_root(copy, err);
}

static int open_input(struct copy *copy, int fd, struct mayfly_error *err)
{
        struct archive_entry *entry;

        copy->in = mf_libarchive.read_new();
        if (!copy->in)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        (void) mf_libarchive.read_support_format_raw(copy->in);
        (void) mf_libarchive.read_support_format_empty(copy->in);
        (void) mf_libarchive.read_support_filter_gzip(copy->in);
        (void) mf_libarchive.read_support_filter_bzip2(copy->in);
        (void) mf_libarchive.read_support_filter_xz(copy->in);
        (void) mf_libarchive.read_support_filter_zstd(copy->in);
        int r = mf_libarchive.read_open_fd(copy->in, fd, BLOCK);
        if (r == ARCHIVE_OK)
                r = mf_libarchive.read_next_header(copy->in, &entry);
        if (r == ARCHIVE_EOF)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the root file system's archive is empty; give a directory, or a tar archive");
        return r == ARCHIVE_OK ? 0 : read_failed(copy->in, err);
}

int mf_writer_copy_tar(struct mf_writer *writer, int fd, struct mf_rewrite *rewrite, struct mayfly_error *err)
{
        struct copy copy = { .writer = writer, .rewrite = rewrite };
        struct mf_tar *tar = NULL;

        int r = open_input(&copy, fd, err);
        if (r == 0 && !(tar = mf_tar_new(next_piece, &copy)))
                r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0)
                r = copy_all(&copy, tar, err);
        if (r == 0)
                r = drain(&copy, err);
        mf_tar_free(tar);
        mf_libarchive.read_free(copy.in);
        tdestroy(copy.names, free);
        return r;
}
