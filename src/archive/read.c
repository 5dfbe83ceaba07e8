/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/read.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/error.h"
#include "util/macro.h"

#define BLOCK (64U * 1024)

/* What libarchive reads from: a ring, with the first bytes kept for a look at them. */
struct source {
        struct mf_ring *ring;
        char block[BLOCK];
        size_t ahead; /* bytes in block that were not handed out yet */
        uint64_t total;
        int broken;
};

static ssize_t fill(struct source *source)
{
        long n = mf_ring_pop(source->ring, source->block + source->ahead, sizeof(source->block) - source->ahead);

        if (n < 0)
                source->broken = 1;
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
                        archive_set_error(a, EPIPE, "the stage before failed");
                        return ARCHIVE_FATAL;
                }
        }
        ssize_t n = (ssize_t) source->ahead;
        source->ahead = 0;
        *ret = source->block;
        return n;
}

static int archive_failed(struct archive *a, const struct source *source, const char *what, struct mayfly_error *err)
{
        const char *text = archive_error_string(a);

        if (source->broken)
                return -EPIPE;
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "%s after %llu bytes: %s", what,
                        (unsigned long long) source->total, text ? text : "damaged data");
}

enum compression { PLAIN, GZIP, BZIP2, XZ };

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
                { "\x28\xb5\x2f\xfd", "zstd-compressed", 4, 0, 0, PLAIN },
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

static int check_trailing(struct archive *a, struct source *source, struct mayfly_error *err)
{
        uint64_t used = (uint64_t) archive_filter_bytes(a, -1);

        if (archive_filter_count(a) != 2) /* the filter, and the source under it */
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the image is compressed twice");
        do
                source->ahead = 0;
        while (fill(source) > 0);
        if (source->broken)
                return -EPIPE;
        if (source->total != used)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the image has %llu bytes after the end of its compressed stream of %llu bytes",
                                (unsigned long long) (source->total - used), (unsigned long long) used);
        return 0;
}

static int inflate(struct archive *a, struct source *source, int (*sink)(void *, const void *, size_t), void *userdata,
                   struct mayfly_error *err)
{
        struct archive_entry *entry;
        const void *data;
        size_t size;
        la_int64_t offset;
        int r;

        if (archive_read_open(a, source, NULL, on_read, NULL) != ARCHIVE_OK ||
            archive_read_next_header(a, &entry) != ARCHIVE_OK)
                return archive_failed(a, source, "the image cannot be decompressed", err);
        if (archive_filter_count(a) < 2) /* the magic was there, and nothing behind it */
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the image cannot be decompressed: its compressed header is damaged");
        while ((r = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
                r = sink(userdata, data, size);
                if (r < 0)
                        return r;
        }
        if (r != ARCHIVE_EOF)
                return archive_failed(a, source, "the image cannot be decompressed", err);
        return check_trailing(a, source, err);
}

int mf_decompress(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                  struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));
        enum compression compression = PLAIN;
        ssize_t n = 1;

        if (!source)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        source->ring = in;
        while (source->ahead < MF_ARCHIVE_HEAD && n > 0)
                n = fill(source);
        if (n < 0)
                return -EPIPE;
        int r = sniff(source, &compression, err);
        if (r < 0)
                return r;
        if (compression == PLAIN)
                return copy_plain(source, sink, userdata);

        struct archive *a = archive_read_new();
        if (!a)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        archive_read_support_format_raw(a);
        if (compression == GZIP)
                archive_read_support_filter_gzip(a);
        else if (compression == BZIP2)
                archive_read_support_filter_bzip2(a);
        else
                archive_read_support_filter_xz(a);
        r = inflate(a, source, sink, userdata, err);
        archive_read_free(a);
        return r;
}

int mf_entry_xattrs(const struct mf_entry *entry,
                    int (*each)(void *userdata, const char *name, const void *value, size_t size), void *userdata)
{
        const char *name;
        const void *value;
        size_t size;

        archive_entry_xattr_reset(entry->entry);
        while (archive_entry_xattr_next(entry->entry, &name, &value, &size) == ARCHIVE_OK) {
                int r = each(userdata, name, value, size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int mf_entry_data(const struct mf_entry *entry, int fd, struct mf_content_sum *sum, uint64_t *ret_end,
                  struct mayfly_error *err)
{
        const void *data;
        size_t size;
        la_int64_t offset, end = 0;
        int r;

        while ((r = archive_read_data_block(entry->archive, &data, &size, &offset)) == ARCHIVE_OK) {
                if (size > 0 && mf_content_sum_add(sum, (uint64_t) offset, data, size) < 0)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                        "archive entry \"%.300s\" has data out of order or beyond its size",
                                        entry->name);
                for (const char *p = data; size > 0;) {
                        ssize_t n = pwrite(fd, p, size, offset);
                        if (n < 0 && errno == EINTR)
                                continue;
                        if (n < 0)
                                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "writing \"%.300s\"",
                                                      entry->name);
                        p += n;
                        offset += n;
                        size -= (size_t) n;
                        end = offset;
                }
        }
        if (r != ARCHIVE_EOF)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the archive ends or is damaged inside \"%.300s\": %s", entry->name,
                                archive_error_string(entry->archive));
        *ret_end = (uint64_t) end;
        return 0;
}

static int each_entry(struct archive *a, const struct source *source,
                      int (*each)(void *, const struct mf_entry *, struct mayfly_error *), void *userdata,
                      struct mayfly_error *err)
{
        struct archive_entry *e;
        int r;

        while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK || r == ARCHIVE_WARN) {
                const struct mf_entry entry = {
                        .name = archive_entry_pathname(e),
                        .hardlink = archive_entry_hardlink(e),
                        .symlink = archive_entry_symlink(e),
                        .mode = archive_entry_mode(e),
                        .uid = (uid_t) archive_entry_uid(e),
                        .gid = (gid_t) archive_entry_gid(e),
                        .rdev = archive_entry_rdev(e),
                        .mtime = { archive_entry_mtime(e), archive_entry_mtime_nsec(e) },
                        .size = (uint64_t) archive_entry_size(e),
                        .archive = a,
                        .entry = e,
                };
                if (!entry.name)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "an entry's name cannot be decoded: %s",
                                        archive_error_string(a));
                if (archive_format(a) == ARCHIVE_FORMAT_TAR)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                        "\"%.300s\" is in the ancient v7 tar format; write ustar, pax or GNU",
                                        entry.name);
                r = each(userdata, &entry, err);
                if (r < 0)
                        return r;
        }
        if (r != ARCHIVE_EOF)
                return archive_failed(a, source, "the archive is damaged", err);
        return 0;
}

int mf_untar(struct mf_ring *in, int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err),
             void *userdata, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) struct source *source = calloc(1, sizeof(*source));
        struct archive *a = archive_read_new();
        int r;

        if (!source || !a) {
                archive_read_free(a);
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        }
        source->ring = in;
        archive_read_support_format_tar(a);
        /* Names are bytes: no conversion by a locale that the test program may not even have set. */
        archive_read_set_options(a, "hdrcharset=BINARY");
        if (archive_read_open(a, source, NULL, on_read, NULL) != ARCHIVE_OK)
                r = archive_failed(a, source, "the archive is damaged", err);
        else
                r = each_entry(a, source, each, userdata, err);
        if (r == 0) {
                do /* padding; the digest wants it read */
                        source->ahead = 0;
                while (fill(source) > 0);
                if (source->broken)
                        r = -EPIPE;
        }
        archive_read_free(a);
        return r;
}
