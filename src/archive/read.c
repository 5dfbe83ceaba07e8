/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/libarchive.h"
#include "archive/tar.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define BLOCK (64U * 1024)

/* What libarchive reads from: a ring or a file, with the first bytes kept for a look at them. */
struct source {
        struct mf_ring *ring; /* NULL: the file */
        int fd;
        char block[BLOCK];
        size_t ahead; /* bytes in block that were not handed out yet */
        uint64_t total;
        int broken;
        int error;        /* why the file could not be read, negative errno */
        const char *what; /* "image", "layer" or "archive", for messages */
};

/* Reads more into the block. Returns the number of bytes, 0 at the end, or a negative number. */
static ssize_t fill(struct source *source)
{
        char *at = source->block + source->ahead;
        const size_t room = sizeof(source->block) - source->ahead;
        ssize_t n = source->ring ? mf_ring_pop(source->ring, at, room) : mf_read_full(source->fd, at, room);

        if (n < 0) {
                source->broken = 1;
                source->error = (int) n;
        }
        if (n > 0) {
                source->ahead += (size_t) n;
                source->total += (uint64_t) n;
        }
        return n;
}

static ssize_t on_read(struct archive *a, void *userdata, const void **ret)
{
        struct source *source = userdata;

        if (source->ahead == 0) {
                ssize_t n = fill(source);
                if (n < 0) {
                        mf_libarchive.set_error(a, EPIPE, "the stage before failed");
                        return ARCHIVE_FATAL;
                }
        }
        ssize_t n = (ssize_t) source->ahead;
        source->ahead = 0;
        *ret = source->block;
        return n;
}

/* Sets an error with libarchive's reason. Returns a negative errno. */
static int archive_failed(struct archive *a, const struct source *source, struct mayfly_error *err)
{
        const char *text = mf_libarchive.error_string(a);

        if (source->broken)
                return -EPIPE;
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the %s cannot be decompressed after %llu bytes: %s%s",
                        source->what, (unsigned long long) source->total, text ? text : "damaged data",
                        text && strstr(text, "too much memory")
                                ? " (its zstd window is larger than 128 MiB; compress it with --long=27 or less)"
                                : "");
}

enum compression { PLAIN, GZIP, BZIP2, XZ, ZSTD };

struct kind {
        const char *magic, *name;
        size_t length, at;
        int known;
        enum compression compression;
};

static const struct kind *find_kind(const char *head, size_t size)
{
        static const struct kind kinds[] = {
                { "\x1f\x8b", "gzip", 2, 0, 1, GZIP },
                { "BZh", "bzip2", 3, 0, 1, BZIP2 },
                { "\xfd"
                  "7zXZ\0",
                  "xz", 6, 0, 1, XZ },
                { "ustar", "tar", 5, 257, 1, PLAIN },
                { "\x28\xb5\x2f\xfd", "zstd-compressed", 4, 0, 0, ZSTD },
                { "\x04\x22\x4d\x18", "lz4-compressed", 4, 0, 0, PLAIN },
                { "PK\x03\x04", "a zip archive", 4, 0, 0, PLAIN },
                { "\x5d\0\0", "lzma-compressed", 3, 0, 0, PLAIN },
                { "-----BEGIN PGP", "PGP-encrypted", 14, 0, 0, PLAIN },
                { "\x8c\x0d\x04", "PGP-encrypted", 3, 0, 0, PLAIN }, /* by a passphrase, in either packet format */
                { "\xc3\x0d\x04", "PGP-encrypted", 3, 0, 0, PLAIN },
                { "<", "a web page", 1, 0, 0, PLAIN },
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(kinds); i++)
                if (size >= kinds[i].at + kinds[i].length &&
                    memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].length) == 0)
                        return &kinds[i];
        return NULL;
}

int mf_archive_is_known(const void *head, size_t size)
{
        return find_kind(head, size) != NULL;
}

int mf_archive_is_compressed(const void *head, size_t size)
{
        const struct kind *kind = find_kind(head, size);

        return kind && kind->compression != PLAIN;
}

/* Sets *ret to the compression that the first bytes show. Returns 0 or -EBADMSG. */
static int sniff(const struct source *source, enum compression *ret, struct mayfly_error *err)
{
        const struct kind *kind = find_kind(source->block, source->ahead);

        if (!kind)
                return mf_error(
                        err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                        "the image (%zu bytes or more) is neither a tar (ustar, pax or GNU) nor gzip, bzip2 or xz",
                        source->ahead < MF_ARCHIVE_HEAD ? source->ahead : MF_ARCHIVE_HEAD);
        if (!kind->known)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the image is %s; an ACI is a tar, plain or under gzip, bzip2 or xz", kind->name);
        *ret = kind->compression;
        return 0;
}

/* Sets *ret to the compression of a layer. Whatever is not known counts as a tar: the first entry's name can be
 * anything. Returns 0. */
static int sniff_layer(const struct source *source, enum compression *ret, struct mayfly_error *err)
{
        const struct kind *kind = find_kind(source->block, source->ahead);
        const int is_tar = source->ahead >= 262 && memcmp(source->block + 257, "ustar", 5) == 0;

        (void) err;
        *ret = kind && !is_tar ? kind->compression : PLAIN;
        return 0;
}

/* Hands an archive that is not compressed to the sink. Returns 0 or negative errno. */
static int copy_plain(struct source *source, int (*sink)(void *, const void *, size_t), void *userdata)
{
        for (;;) {
                int r = sink(userdata, source->block, source->ahead);
                if (r < 0)
                        return r;
                source->ahead = 0;
                ssize_t n = fill(source);
                if (n <= 0)
                        return (int) n;
        }
}

/* Refuses what comes after the compressed stream, and a stream in a stream. Returns 0 or negative errno. */
static int check_trailing(struct archive *a, struct source *source, struct mayfly_error *err)
{
        uint64_t used = (uint64_t) mf_libarchive.filter_bytes(a, -1);

        if (mf_libarchive.filter_count(a) != 2) /* the filter, and the source under it */
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the %s is compressed twice", source->what);
        do
                source->ahead = 0;
        while (fill(source) > 0);
        if (source->broken)
                return -EPIPE;
        if (source->total != used)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the %s has %llu bytes after the end of its compressed stream of %llu bytes",
                                source->what, (unsigned long long) (source->total - used), (unsigned long long) used);
        return 0;
}

/* Decompresses the archive into the sink. Returns 0 or negative errno. */
static int inflate(struct archive *a, struct source *source, int (*sink)(void *, const void *, size_t), void *userdata,
                   struct mayfly_error *err)
{
        struct archive_entry *entry;
        const void *data;
        size_t size;
        la_int64_t offset;
        int r;

        if (mf_libarchive.read_open(a, source, NULL, on_read, NULL) != ARCHIVE_OK ||
            mf_libarchive.read_next_header(a, &entry) != ARCHIVE_OK)
                return archive_failed(a, source, err);
        if (mf_libarchive.filter_count(a) < 2) /* the magic was there, and nothing behind it */
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the %s cannot be decompressed: its compressed header is damaged", source->what);
        while ((r = mf_libarchive.read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
                r = sink(userdata, data, size);
                if (r < 0)
                        return r;
        }
        if (r != ARCHIVE_EOF)
                return archive_failed(a, source, err);
        return check_trailing(a, source, err);
}

/* Makes a reader of compressed data. Returns NULL when memory is short. */
static struct archive *new_filter(enum compression compression)
{
        struct archive *a = mf_libarchive.read_new();

        if (!a)
                return NULL;
        mf_libarchive.read_support_format_raw(a);
        if (compression == GZIP)
                mf_libarchive.read_support_filter_gzip(a);
        else if (compression == BZIP2)
                mf_libarchive.read_support_filter_bzip2(a);
        else if (compression == ZSTD)
                mf_libarchive.read_support_filter_zstd(a);
        else
                mf_libarchive.read_support_filter_xz(a);
        return a;
}

/* Decompresses what the source has. `sniff_kind` finds out how. Returns 0 or negative errno. */
static int decompress(struct source *source,
                      int (*sniff_kind)(const struct source *source, enum compression *ret, struct mayfly_error *err),
                      int (*sink)(void *, const void *, size_t), void *userdata, struct mayfly_error *err)
{
        enum compression compression = PLAIN;
        ssize_t n = 1;

        while (source->ahead < MF_ARCHIVE_HEAD && n > 0)
                n = fill(source);
        if (n < 0)
                return -EPIPE;
        int r = sniff_kind(source, &compression, err);
        if (r < 0)
                return r;
        if (compression == PLAIN)
                return copy_plain(source, sink, userdata);
        r = mf_libarchive_load(err);
        if (r < 0)
                return r;
        struct archive *a = new_filter(compression);
        if (!a)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        r = inflate(a, source, sink, userdata, err);
        mf_libarchive.read_free(a);
        return r;
}

int mf_decompress(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                  struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));

        if (!source)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        source->ring = in;
        source->what = "image";
        return decompress(source, sniff, sink, userdata, err);
}

int mf_decompress_layer(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                        struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));

        if (!source)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        source->ring = in;
        source->what = "layer";
        return decompress(source, sniff_layer, sink, userdata, err);
}

int mf_decompress_file(int fd, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                       struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));

        if (!source)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        source->fd = fd;
        source->what = "archive";
        int r = decompress(source, sniff_layer, sink, userdata, err);
        return r == -EPIPE && source->error
                       ? mf_error_errno(err, source->error, MAYFLY_STAGE_ARCHIVE, "the archive cannot be read")
                       : r;
}

/* Writes all of a piece of a file. 0 or -errno. */
static int write_at(int fd, const char *data, size_t size, uint64_t offset)
{
        while (size > 0) {
                ssize_t n = pwrite(fd, data, size, (off_t) offset);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                data += n;
                offset += (uint64_t) n;
                size -= (size_t) n;
        }
        return 0;
}

int mf_entry_data(const struct mf_entry *entry, int fd, struct mf_content_sum *sum, uint64_t *ret_end,
                  struct mayfly_error *err)
{
        const void *data;
        size_t size;
        uint64_t offset, end = 0;
        int r;

        while ((r = mf_tar_data(entry, &data, &size, &offset, err)) > 0) {
                if (sum && mf_content_sum_add(sum, offset, data, size) < 0)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                        "archive entry \"%.300s\" has data out of order or beyond its size",
                                        entry->name);
                r = fd >= 0 ? write_at(fd, data, size, offset) : 0;
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "archive entry \"%.300s\" cannot be written",
                                              entry->name);
                end = offset + size;
        }
        if (r == 0)
                *ret_end = end;
        return r;
}

int mf_entry_text(const struct mf_entry *entry, char **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = calloc(1, (size_t) entry->size + 1);
        const void *data;
        size_t size;
        uint64_t offset;
        int r;

        if (!text)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        while ((r = mf_tar_data(entry, &data, &size, &offset, err)) > 0)
                memcpy(text + offset, data, size);
        if (r == 0)
                *ret = mf_take(text);
        return r;
}

static ssize_t next_piece(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct source *source = userdata;

        (void) err;
        source->ahead = 0;
        ssize_t n = fill(source);
        *ret = source->block;
        return n < 0 ? -EPIPE : n;
}

static int each_entry(struct mf_tar *tar, int (*each)(void *, const struct mf_entry *, struct mayfly_error *),
                      void *userdata, struct mayfly_error *err)
{
        struct mf_entry entry;
        int r;

        while ((r = mf_tar_next(tar, &entry, err)) > 0) {
                if (entry.is_v7)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                        "\"%.300s\" is in the ancient v7 tar format; write ustar, pax or GNU",
                                        entry.name);
                r = each(userdata, &entry, err);
                if (r < 0)
                        return r;
        }
        return r;
}

static int untar(struct mf_ring *in, int is_layer,
                 int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err), void *userdata,
                 struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));
        struct mf_tar *tar = source ? mf_tar_new(next_piece, source) : NULL;

        if (!tar)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (is_layer)
                mf_tar_may_lack_end(tar);
        source->ring = in;
        int r = each_entry(tar, each, userdata, err);
        mf_tar_free(tar);
        if (r == 0) {
                do /* padding; the digest wants it read */
                        source->ahead = 0;
                while (fill(source) > 0);
        }
        return r == 0 && source->broken ? -EPIPE : r;
}

int mf_untar(struct mf_ring *in, int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err),
             void *userdata, struct mayfly_error *err)
{
        return untar(in, 0, each, userdata, err);
}

int mf_untar_layer(struct mf_ring *in,
                   int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err), void *userdata,
                   struct mayfly_error *err)
{
        return untar(in, 1, each, userdata, err);
}
