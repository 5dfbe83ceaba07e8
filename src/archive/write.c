/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "archive/digest.h"
#include "archive/entry.h"
#include "archive/libarchive.h"
#include "archive/sparse.h"
#include "archive/tar-header.h"
#include "archive/xattr.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define RECORD ((size_t) 10240) /* an archive is a whole number of these, as tar(1) writes it */

struct mf_writer {
        struct archive *blob; /* into the descriptor, compressed */
        struct mf_digest *digest;
        uint64_t written; /* bytes of the archive */
        uint64_t left;    /* that the entry's data has yet to have */
        size_t padding;   /* after them */
        char *name;       /* of the entry, for messages */
        const struct mf_watch *watch;
        int fd;
        int is_layer; /* names lose their "rootfs" */
        int error;    /* of write(2) */
};

/* The entry's name is there for all errors but the descriptor's. */
static int failed(const struct mf_writer *writer, int r, struct mayfly_error *err)
{
        if (writer->error)
                return mf_error_errno(err, writer->error, MAYFLY_STAGE_ARCHIVE, "writing the image");
        return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "writing %.300s into the image",
                              writer->name ? writer->name : "its end");
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

/* Adds bytes to the archive. 0, or negative errno without a message. */
static int put_bytes(struct mf_writer *writer, const void *data, size_t size)
{
        if (!writer->error && size > 0 &&
            (mf_digest_update(writer->digest, data, size) < 0 ||
             mf_libarchive.write_data(writer->blob, data, size) != (ssize_t) size) &&
            !writer->error)
                writer->error = -EIO;
        writer->written += size;
        return writer->error;
}

static int put_zeros(struct mf_writer *writer, size_t size)
{
        static const char zeros[MF_TAR_BLOCK];
        int r = 0;

        for (size_t n; r == 0 && size > 0; size -= n) {
                n = size < sizeof(zeros) ? size : sizeof(zeros);
                r = put_bytes(writer, zeros, n);
        }
        return r;
}

static int open_blob(struct mf_writer *writer, enum mayfly_compression compression)
{
        struct archive *blob = writer->blob = mf_libarchive.write_new();
        struct archive_entry *entry = mf_libarchive.entry_new();
        int r = blob && entry ? mf_libarchive.write_set_format_raw(blob) : ARCHIVE_FATAL;

        /* No time and no name in the header, for they say nothing of the content. */
        if (r == ARCHIVE_OK && compression == MAYFLY_COMPRESSION_GZIP)
                r = mf_libarchive.write_add_filter_gzip(blob) == ARCHIVE_OK
                            ? mf_libarchive.write_set_filter_option(blob, "gzip", "timestamp", NULL)
                            : ARCHIVE_FATAL;
        else if (r == ARCHIVE_OK && compression == MAYFLY_COMPRESSION_XZ)
                r = mf_libarchive.write_add_filter_xz(blob);
        if (r == ARCHIVE_OK)
                r = mf_libarchive.write_set_bytes_in_last_block(blob, 1);
        if (r == ARCHIVE_OK)
                r = mf_libarchive.write_open2(blob, writer, NULL, on_blob, NULL, NULL);
        if (r == ARCHIVE_OK) {
                mf_libarchive.entry_set_filetype(entry, AE_IFREG);
                mf_libarchive.entry_set_pathname(entry, "data");
                r = mf_libarchive.write_header(blob, entry);
        }
        mf_libarchive.entry_free(entry);
        return r;
}

static int writer_new(struct mf_writer **ret, int fd, enum mayfly_compression compression, const struct mf_watch *watch,
                      int is_layer, struct mayfly_error *err)
{
        int r = mf_libarchive_load(err);
        if (r < 0)
                return r;
        struct mf_writer *writer = calloc(1, sizeof(*writer));
        if (writer) {
                writer->fd = fd;
                writer->watch = watch;
                writer->is_layer = is_layer;
                writer->digest = is_layer ? mf_digest_new_like("sha256") : mf_digest_new();
        }
        if (!writer || !writer->digest || open_blob(writer, compression) != ARCHIVE_OK) {
                r = writer && writer->error ? writer->error : -ENOMEM;
                mf_writer_free(writer);
                return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "beginning the image");
        }
        *ret = writer;
        return 0;
}

int mf_writer_new(struct mf_writer **ret, int fd, enum mayfly_compression compression, const struct mf_watch *watch,
                  struct mayfly_error *err)
{
        return writer_new(ret, fd, compression, watch, 0, err);
}

int mf_writer_new_layer(struct mf_writer **ret, int fd, enum mayfly_compression compression,
                        const struct mf_watch *watch, struct mayfly_error *err)
{
        return writer_new(ret, fd, compression, watch, 1, err);
}

struct mf_writer *mf_writer_free(struct mf_writer *writer)
{
        if (writer) {
                if (!writer->error)
                        writer->error = -ECANCELED; /* not to write the rest of what has failed */
                mf_libarchive.write_free(writer->blob);
                mf_digest_free(writer->digest);
                free(writer->name);
                free(writer);
        }
        return NULL;
}

int mf_writer_finish(struct mf_writer *writer, char id[MF_ID_LENGTH + 1], struct mayfly_error *err)
{
        free(mf_take(writer->name));
        int r = put_zeros(writer, 2 * MF_TAR_BLOCK);
        if (r == 0)
                r = put_zeros(writer, (size_t) (-writer->written % RECORD));
        if (r == 0 && mf_libarchive.write_close(writer->blob) != ARCHIVE_OK)
                r = -EIO;
        if (r < 0 || writer->error)
                return failed(writer, r, err);
        return mf_digest_final(writer->digest, id) < 0
                       ? mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "libcrypto failed to finish the digest")
                       : 0;
}

/* --- headers */

/* Copies a text into a field, which has no NUL when the text fills it. Returns whether it fitted. */
static int set_text(char *field, size_t size, const char *text)
{
        size_t length = strlen(text);

        memcpy(field, text, length < size ? length : size);
        return length <= size;
}

/* A name of up to 256 bytes may be cut in two at a slash. Returns whether it fitted. */
static int set_name(struct mf_tar_header *header, const char *name)
{
        const size_t length = strlen(name);

        if (length <= sizeof(header->name))
                return set_text(header->name, sizeof(header->name), name);
        const char *slash = strchr(name + length - sizeof(header->name) - 1, '/');
        if (slash && slash > name && slash[1] && (size_t) (slash - name) <= sizeof(header->prefix)) {
                memcpy(header->prefix, name, (size_t) (slash - name));
                return set_text(header->name, sizeof(header->name), slash + 1);
        }
        (void) set_text(header->name, sizeof(header->name), name);
        return 0;
}

static char type_of(const struct mf_entry *entry)
{
        if (entry->hardlink)
                return '1';
        switch (entry->mode & S_IFMT) {
        case S_IFLNK:
                return '2';
        case S_IFCHR:
                return '3';
        case S_IFBLK:
                return '4';
        case S_IFDIR:
                return '5';
        case S_IFIFO:
                return '6';
        default:
                return '0';
        }
}

/* Adds "LENGTH KEY=VALUE\n", whose length counts itself. */
static void put_record(FILE *records, const char *key, const void *value, size_t size)
{
        const size_t rest = strlen(key) + size + 3;
        size_t length = rest + 1;

        for (size_t limit = 10; length >= limit; limit *= 10)
                length++;
        fprintf(records, "%zu %s=", length, key);
        fwrite(value, size, 1, records);
        fputc('\n', records);
}

static void put_number(FILE *records, const char *key, int64_t number)
{
        char text[24];
        int n = snprintf(text, sizeof(text), "%lld", (long long) number);

        put_record(records, key, text, (size_t) n);
}

/* GNU tar's way to have "=" in a key: "%3D", and "%25" for "%". */
static void put_xattr(FILE *records, const struct mf_xattr *xattr)
{
        char key[16 + 3 * 256], *p = stpcpy(key, "SCHILY.xattr.");

        for (const char *c = xattr->name; *c && p < key + sizeof(key) - 4; c++)
                if (*c == '=' || *c == '%')
                        p = stpcpy(p, *c == '=' ? "%3D" : "%25");
                else
                        *p++ = *c;
        *p = '\0';
        put_record(records, key, xattr->value, xattr->size);
}

/* Fills the header. What does not fit becomes a pax record, and the field what no reader could take for less. */
static void fill_header(struct mf_tar_header *header, FILE *records, const struct mf_entry *entry, const char *name,
                        uint64_t stored)
{
        const char *link = entry->hardlink ? entry->hardlink : entry->symlink;
        const int64_t mtime = entry->mtime.tv_sec;

        if (entry->sparse) {
                (void) set_text(header->name, sizeof(header->name), "GNUSparseFile.0");
                put_number(records, "GNU.sparse.major", 1);
                put_number(records, "GNU.sparse.minor", 0);
                put_record(records, "GNU.sparse.name", entry->name, strlen(entry->name));
                put_number(records, "GNU.sparse.realsize", (int64_t) entry->size);
        } else if (!set_name(header, name)) {
                put_record(records, "path", name, strlen(name));
        }
        if (link && !set_text(header->link, sizeof(header->link), link))
                put_record(records, "linkpath", link, strlen(link));
        (void) mf_tar_set_number(header->mode, sizeof(header->mode), entry->mode & 07777);
        if (!mf_tar_set_number(header->uid, sizeof(header->uid), entry->uid))
                put_number(records, "uid", entry->uid);
        if (!mf_tar_set_number(header->gid, sizeof(header->gid), entry->gid))
                put_number(records, "gid", entry->gid);
        if (!mf_tar_set_number(header->size, sizeof(header->size), stored))
                put_number(records, "size", (int64_t) stored);
        if (!mf_tar_set_number(header->mtime, sizeof(header->mtime), mtime < 0 ? 0 : (uint64_t) mtime) || mtime < 0)
                put_number(records, "mtime", mtime);
        for (size_t i = 0; i < entry->n_xattrs; i++)
                if (mf_xattr_is_kept(entry->xattrs[i].name))
                        put_xattr(records, &entry->xattrs[i]);
        (void) mf_tar_set_number(header->major, sizeof(header->major), major(entry->rdev));
        (void) mf_tar_set_number(header->minor, sizeof(header->minor), minor(entry->rdev));
        header->type = type_of(entry);
}

static int put_header(struct mf_writer *writer, struct mf_tar_header *header)
{
        memcpy(header->magic, "ustar", 6);
        memcpy(header->version, "00", 2);
        mf_tar_set_checksum(header);
        return put_bytes(writer, header, sizeof(*header));
}

/* Writes the records as an entry of their own. */
static int put_records(struct mf_writer *writer, const char *records, size_t size)
{
        struct mf_tar_header header = { .type = 'x' };

        (void) set_text(header.name, sizeof(header.name), "PaxHeaders/entry");
        (void) mf_tar_set_number(header.mode, sizeof(header.mode), 0644);
        (void) mf_tar_set_number(header.uid, sizeof(header.uid), 0);
        (void) mf_tar_set_number(header.gid, sizeof(header.gid), 0);
        (void) mf_tar_set_number(header.mtime, sizeof(header.mtime), 0);
        (void) mf_tar_set_number(header.size, sizeof(header.size), size);
        int r = put_header(writer, &header);
        if (r == 0)
                r = put_bytes(writer, records, size);
        return r == 0 ? put_zeros(writer, -size % MF_TAR_BLOCK) : r;
}

/* The map that stands before a sparse file's data (GNU's format 1.0), padded. NULL: out of memory. */
static char *make_map(const struct mf_entry *entry, size_t *ret_size)
{
        const struct mf_sparse *sparse = entry->sparse;
        const int hole_at_end = mf_sparse_end(sparse) < entry->size;
        char *map = NULL;
        FILE *file = open_memstream(&map, ret_size);

        if (!file)
                return NULL;
        fprintf(file, "%zu\n", sparse->n + (hole_at_end ? 1 : 0));
        for (size_t i = 0; i < sparse->n; i++)
                fprintf(file, "%llu\n%llu\n", (unsigned long long) sparse->list[i].offset,
                        (unsigned long long) sparse->list[i].size);
        if (hole_at_end)
                fprintf(file, "%llu\n0\n", (unsigned long long) entry->size);
        long at = ftell(file);
        for (size_t i = at < 0 ? 0 : -(size_t) at % MF_TAR_BLOCK; i > 0; i--)
                fputc(0, file);
        if (fclose(file) != 0) {
                free(map);
                return NULL;
        }
        return map;
}

/* --- entries */

/* Writes an entry's header, and what stands before and after it. 0 or negative errno. */
static int put_entry(struct mf_writer *writer, const struct mf_entry *entry, const char *map, size_t map_size)
{
        const int has_data = S_ISREG(entry->mode) && !entry->hardlink;
        mf_cleanup(mf_freep) char *records = NULL;
        mf_cleanup(mf_freep) char *name = NULL;
        struct mf_tar_header header = { 0 };
        size_t size = 0;
        uint64_t stored;

        writer->left = !has_data ? 0 : entry->sparse ? mf_sparse_bytes(entry->sparse) : entry->size;
        stored = map_size + writer->left;
        writer->padding = (size_t) (-stored % MF_TAR_BLOCK);
        if (asprintf(&name, S_ISDIR(entry->mode) ? "%s/" : "%s", entry->name) < 0) { /* as all tars have directories */
                name = NULL;
                return -ENOMEM;
        }
        FILE *file = open_memstream(&records, &size);
        if (!file)
                return -ENOMEM;
        fill_header(&header, file, entry, name, stored);
        int failure = ferror(file);
        if (fclose(file) != 0 || failure)
                return -ENOMEM;
        int r = size > 0 ? put_records(writer, records, size) : 0;
        if (r == 0)
                r = put_header(writer, &header);
        if (r == 0)
                r = put_bytes(writer, map, map_size);
        return r == 0 && writer->left == 0 ? put_zeros(writer, writer->padding) : r;
}

/* Returns the name that a file of the image has in a layer. */
static const char *name_in_layer(const char *name)
{
        return strncmp(name, "rootfs/", 7) == 0 ? name + 7 : strcmp(name, "rootfs") == 0 ? "." : name;
}

int mf_writer_put(struct mf_writer *writer, const struct mf_entry *entry, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *map = NULL;
        struct mf_entry written = *entry;
        size_t map_size = 0;

        if (writer->is_layer) {
                written.name = name_in_layer(entry->name);
                written.hardlink = entry->hardlink ? name_in_layer(entry->hardlink) : NULL;
        }
        free(writer->name);
        writer->name = strdup(written.name);
        if (entry->sparse)
                map = make_map(entry, &map_size);
        if (!writer->name || (entry->sparse && !map))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        int r = put_entry(writer, &written, map, map_size);
        if (r < 0)
                return failed(writer, r, err);
        return writer->watch ? writer->watch->entry(writer->watch->userdata, entry, err) : 0;
}

int mf_writer_data(struct mf_writer *writer, const void *data, size_t size, struct mayfly_error *err)
{
        if (size > writer->left)
                return failed(writer, -EFBIG, err);
        writer->left -= size;
        int r = put_bytes(writer, data, size);
        if (r == 0 && size > 0 && writer->left == 0)
                r = put_zeros(writer, writer->padding);
        if (r < 0)
                return failed(writer, r, err);
        return writer->watch ? writer->watch->data(writer->watch->userdata, data, size, err) : 0;
}
