/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/tar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "archive/pax.h"
#include "archive/tar-header.h"
#include "util/error.h"
#include "util/macro.h"

#define NO_TAR "it does not begin as a tar does"
#define EXTRA_MAX ((int64_t) 1 << 20) /* of what stands before an entry: pax records, a long name */

struct mf_tar {
        mf_tar_source *source;
        int (*skip)(void *userdata, uint64_t size, struct mayfly_error *err); /* NULL: all is read */
        void *userdata;
        const unsigned char *at; /* what was got and not used yet */
        size_t left;
        uint64_t used;  /* bytes of the archive */
        uint64_t begin; /* of the last entry */

        uint64_t body;          /* bytes of the entry's data that were not read yet */
        unsigned padding;       /* after them */
        uint64_t position;      /* in the file */
        size_t segment;         /* of the sparse file that is being read */
        struct mf_sparse whole; /* of a file that is not sparse: all of it */
        const struct mf_sparse *map;

        char *records; /* of the entry's pax header */
        size_t records_size;
        char *long_name, *long_link; /* GNU's */
        struct mf_pax pax;
        struct mf_sparse old_map; /* of GNU's old sparse format */
        char name[256 + 2], link[101];
        char wrong_globals[MF_PAX_WHY_MAX];
        int may_lack_end; /* see mf_tar_may_lack_end() */
};

struct mf_tar *mf_tar_new(mf_tar_source *source, void *userdata)
{
        struct mf_tar *tar = calloc(1, sizeof(*tar));

        if (tar) {
                tar->source = source;
                tar->userdata = userdata;
                mf_pax_init(&tar->pax);
        }
        return tar;
}

void mf_tar_may_lack_end(struct mf_tar *tar)
{
        tar->may_lack_end = 1;
}

void mf_tar_set_skip(struct mf_tar *tar, int (*skip)(void *userdata, uint64_t size, struct mayfly_error *err))
{
        tar->skip = skip;
}

uint64_t mf_tar_position(const struct mf_tar *tar)
{
        return tar->used;
}

uint64_t mf_tar_begin(const struct mf_tar *tar)
{
        return tar->begin;
}

/* Forgets the last entry. */
static void forget(struct mf_tar *tar)
{
        free(mf_take(tar->records));
        free(mf_take(tar->long_name));
        free(mf_take(tar->long_link));
        mf_pax_clear(&tar->pax);
        mf_sparse_clear(&tar->old_map);
        tar->whole.n = 0;
        tar->map = NULL;
}

struct mf_tar *mf_tar_free(struct mf_tar *tar)
{
        if (tar) {
                forget(tar);
                mf_sparse_clear(&tar->whole);
                free(tar);
        }
        return NULL;
}

/* --- bytes ---------------------------------------------------------------------------------------------------- */

/* Sees that there are bytes at tar->at. 1, 0 at the end, or negative errno. */
static int more(struct mf_tar *tar, struct mayfly_error *err)
{
        const void *data = NULL;

        if (tar->left > 0)
                return 1;
        ssize_t n = tar->source(tar->userdata, &data, err);
        if (n <= 0)
                return (int) n;
        tar->at = data;
        tar->left = (size_t) n;
        return 1;
}

/* Takes up to `size` bytes off what is at tar->at. Returns their number. */
static size_t use(struct mf_tar *tar, uint64_t size)
{
        size_t n = size < tar->left ? (size_t) size : tar->left;

        tar->at += n;
        tar->left -= n;
        tar->used += n;
        return n;
}

/* Sets the error of an archive that is damaged where the reader is. Returns -EBADMSG. */
static int damaged(const struct mf_tar *tar, const char *why, struct mayfly_error *err)
{
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive is damaged after %llu bytes: %s",
                        (unsigned long long) tar->used, why);
}

/* Copies `size` bytes. 1, or 0 when the archive has ended before the first of them, or negative errno. */
static int read_bytes(struct mf_tar *tar, void *ret, size_t size, struct mayfly_error *err)
{
        char *p = ret;
        size_t got = 0;

        while (got < size) {
                int r = more(tar, err);
                if (r == 0 && got > 0)
                        return damaged(tar, tar->used < MF_TAR_BLOCK ? NO_TAR : "it ends in the middle of a block",
                                       err);
                if (r <= 0)
                        return r;
                const unsigned char *at = tar->at;
                size_t n = use(tar, size - got);
                memcpy(p + got, at, n);
                got += n;
        }
        return 1;
}

/* Skips `size` bytes. Returns 0 or negative errno. */
static int skip_bytes(struct mf_tar *tar, uint64_t size, struct mayfly_error *err)
{
        while (size > 0) {
                if (tar->skip && size > tar->left) {
                        size -= use(tar, size);
                        tar->used += size;
                        return tar->skip(tar->userdata, size, err);
                }
                int r = more(tar, err);
                if (r == 0)
                        return damaged(tar, "it ends in the middle of an entry", err);
                if (r < 0)
                        return r;
                size -= use(tar, size);
        }
        return 0;
}

/* --- what stands before an entry ------------------------------------------------------------------------------ */

/* Returns the number of bytes that fill the last block of `size` bytes. */
static unsigned padding_of(uint64_t size)
{
        return (unsigned) (-size & (MF_TAR_BLOCK - 1));
}

/* Reads the data of a header that is no entry, NUL-terminated. */
static int read_extra(struct mf_tar *tar, const struct mf_tar_header *header, char **ret, size_t *ret_size,
                      struct mayfly_error *err)
{
        int64_t size;

        if (mf_tar_number(header->size, sizeof(header->size), &size) < 0 || size < 0)
                return damaged(tar, "the size of a header is no number", err);
        if (size > EXTRA_MAX)
                return damaged(tar, "a header is over 1 MiB", err);
        mf_cleanup(mf_freep) char *data = malloc((size_t) size + 1);
        if (!data)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        int r = read_bytes(tar, data, (size_t) size, err);
        if (r == 0 && size > 0)
                r = damaged(tar, "it ends in the middle of a header", err);
        if (r >= 0)
                r = skip_bytes(tar, padding_of((uint64_t) size), err);
        if (r < 0)
                return r;
        data[size] = '\0';
        free(*ret);
        *ret = mf_take(data);
        *ret_size = (size_t) size;
        return 0;
}

/* Reads and checks a pax header for all entries. Returns 0 or negative errno. */
static int read_globals(struct mf_tar *tar, const struct mf_tar_header *header, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *data = NULL;
        char why[MF_PAX_WHY_MAX];
        size_t size;

        int r = read_extra(tar, header, &data, &size, err);
        if (r == 0 && mf_pax_check_global(data, size, why) < 0 && !*tar->wrong_globals)
                memcpy(tar->wrong_globals, why, sizeof(why)); /* said of the next entry, as this is none */
        return r;
}

/* Reads a header that is no entry. 1, or 0 when it is an entry's, or negative errno. */
static int take_extra(struct mf_tar *tar, const struct mf_tar_header *header, struct mayfly_error *err)
{
        size_t ignored;
        int r;

        if (header->type == 'x')
                r = read_extra(tar, header, &tar->records, &tar->records_size, err);
        else if (header->type == 'g')
                r = read_globals(tar, header, err);
        else if (header->type == 'L')
                r = read_extra(tar, header, &tar->long_name, &ignored, err);
        else if (header->type == 'K')
                r = read_extra(tar, header, &tar->long_link, &ignored, err);
        else
                return 0;
        return r < 0 ? r : 1;
}

/* Reads the next header. 1, 0 at the archive's end, or negative errno. */
static int next_header(struct mf_tar *tar, struct mf_tar_header *ret, struct mayfly_error *err)
{
        int r = read_bytes(tar, ret, sizeof(*ret), err);

        if (r <= 0)
                return r;
        if (mf_tar_is_zero(ret)) {
                r = read_bytes(tar, ret, sizeof(*ret), err);
                return r > 0 && !mf_tar_is_zero(ret)
                               ? damaged(tar, "a single block of zeros, which is no end, stands between entries", err)
                       : r < 0 ? r
                               : 0;
        }
        if (mf_tar_checksum_matches(ret))
                return 1;
        return damaged(tar, tar->used == sizeof(*ret) ? NO_TAR : "an entry's checksum is wrong", err);
}

/* --- an entry ------------------------------------------------------------------------------------------------- */

static void set_name(struct mf_tar *tar, const struct mf_tar_header *header, enum mf_tar_format format)
{
        const int prefix = format == MF_TAR_USTAR ? 155 : format == MF_TAR_STAR ? 131 : 0;

        if (prefix && header->prefix[0])
                snprintf(tar->name, sizeof(tar->name), "%.*s/%.100s", prefix, header->prefix, header->name);
        else
                snprintf(tar->name, sizeof(tar->name), "%.100s", header->name);
        snprintf(tar->link, sizeof(tar->link), "%.100s", header->link);
}

static int bad_field(const struct mf_entry *entry, const char *name, const char *text, size_t size,
                     struct mayfly_error *err)
{
        char why[100], shown[32];
        int64_t value;

        if (mf_tar_number(text, size, &value) == 0)
                snprintf(shown, sizeof(shown), "%lld", (long long) value);
        else if ((unsigned char) text[0] & 0x80)
                snprintf(shown, sizeof(shown), "a number of over 63 bits");
        else
                mf_pax_show(shown, sizeof(shown), text, strnlen(text, size));
        snprintf(why, sizeof(why), "has \"%s\" as its %s, which is no number that can be there", shown, name);
        return mf_entry_bad(err, entry, why);
}

/* Reads a field of the header, unless a pax record overrides it. */
static int field(const struct mf_entry *entry, const char *name, const char *text, size_t size, int64_t override,
                 int64_t min, int64_t max, int64_t *ret, struct mayfly_error *err)
{
        if (override >= 0) {
                *ret = override;
                return 0;
        }
        return mf_tar_number(text, size, ret) < 0 || *ret < min || *ret > max ? bad_field(entry, name, text, size, err)
                                                                              : 0;
}

#define FIELD(header, name) #name, (header)->name, sizeof((header)->name)

/* Sets the entry's device number. Returns 0 or -EBADMSG. */
static int set_device(const struct mf_tar *tar, const struct mf_tar_header *header, struct mf_entry *entry,
                      struct mayfly_error *err)
{
        int64_t major = 0, minor = 0;

        int r = field(entry, FIELD(header, major), tar->pax.major, 0, UINT32_MAX, &major, err);
        if (r == 0)
                r = field(entry, FIELD(header, minor), tar->pax.minor, 0, UINT32_MAX, &minor, err);
        if (r < 0)
                return r;
        if (major > 4095 || minor > 1048575)
                return mf_entry_bad(err, entry,
                                    "is a device whose number is too large for Linux (4095:1048575 at most)");
        entry->rdev = makedev((unsigned) major, (unsigned) minor);
        return 0;
}

/* Owner, permissions and time. */
static int set_attributes(const struct mf_tar *tar, const struct mf_tar_header *header, struct mf_entry *entry,
                          struct mayfly_error *err)
{
        int64_t mode = 0, uid = 0, gid = 0, mtime = 0;

        int r = field(entry, FIELD(header, mode), -1, 0, UINT32_MAX, &mode, err);
        if (r == 0)
                r = field(entry, FIELD(header, uid), tar->pax.uid, 0, UINT32_MAX - 1, &uid, err);
        if (r == 0)
                r = field(entry, FIELD(header, gid), tar->pax.gid, 0, UINT32_MAX - 1, &gid, err);
        if (r == 0)
                r = field(entry, FIELD(header, mtime), tar->pax.has_mtime ? 0 : -1, INT64_MIN, INT64_MAX, &mtime, err);
        if (r < 0)
                return r;
        entry->mode |= (mode_t) mode & 07777;
        entry->uid = (uid_t) uid;
        entry->gid = (gid_t) gid;
        entry->mtime = tar->pax.has_mtime ? tar->pax.mtime : (struct timespec){ .tv_sec = mtime };
        entry->xattrs = tar->pax.xattrs;
        entry->n_xattrs = tar->pax.n_xattrs;
        entry->has_acl = tar->pax.has_acl;
        return 0;
}

/* --- sparse files --------------------------------------------------------------------------------------------- */

static int bad_map(const struct mf_entry *entry, struct mayfly_error *err)
{
        return mf_entry_bad(err, entry, "is a sparse file with a map that contradicts itself");
}

/* Adds the segments of a table of GNU's old format. An empty one ends it. */
static int add_old_segments(struct mf_tar *tar, const struct mf_entry *entry, const struct mf_tar_segment *segments,
                            size_t n, struct mayfly_error *err)
{
        int64_t offset = 0, size = 0;

        for (size_t i = 0; i < n && segments[i].offset[0]; i++) {
                int r = field(entry, FIELD(&segments[i], offset), -1, 0, INT64_MAX, &offset, err);
                if (r == 0)
                        r = field(entry, FIELD(&segments[i], size), -1, 0, INT64_MAX, &size, err);
                if (r < 0)
                        return r;
                r = mf_sparse_add(&tar->old_map, (uint64_t) offset, (uint64_t) size);
                if (r == -ENOMEM)
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                if (r < 0)
                        return bad_map(entry, err);
        }
        return 0;
}

/* GNU's old format: the table begins in the header and goes on in blocks of its own. */
static int old_sparse(struct mf_tar *tar, const struct mf_tar_header *header, struct mf_entry *entry,
                      struct mayfly_error *err)
{
        const char *bytes = (const char *) header;
        int64_t size = 0;
        char block[MF_TAR_BLOCK] = { 0 };
        int extended = bytes[482] != 0;

        int r = field(entry, "real size", bytes + 483, 12, -1, 0, INT64_MAX, &size, err);
        if (r == 0)
                r = add_old_segments(tar, entry, (const struct mf_tar_segment *) (const void *) (bytes + 386), 4, err);
        while (r == 0 && extended) {
                r = read_bytes(tar, block, sizeof(block), err);
                if (r == 0)
                        r = damaged(tar, "it ends in the map of a sparse file", err);
                if (r > 0)
                        r = add_old_segments(tar, entry, (const struct mf_tar_segment *) (const void *) block, 21, err);
                extended = block[504] != 0;
        }
        entry->size = (uint64_t) size;
        tar->map = &tar->old_map;
        return r < 0 ? r : 0;
}

/* Reads a line of the map that stands before the data, in format 1.0: a number. */
static int map_number(struct mf_tar *tar, const struct mf_entry *entry, int64_t *ret, struct mayfly_error *err)
{
        char text[24];

        for (size_t n = 0; n < sizeof(text) && tar->body > 0; n++) {
                int r = read_bytes(tar, text + n, 1, err);
                if (r == 0)
                        r = damaged(tar, "it ends in the map of a sparse file", err);
                if (r < 0)
                        return r;
                tar->body--;
                if (text[n] != '\n')
                        continue;
                text[n] = '\0';
                return mf_pax_number(text, INT64_MAX, ret) < 0 ? bad_map(entry, err) : 0;
        }
        return bad_map(entry, err);
}

/* Reads the map of format 1.0, and skips its padding. Returns 0 or negative errno. */
static int read_map(struct mf_tar *tar, const struct mf_entry *entry, struct mayfly_error *err)
{
        const uint64_t begin = tar->body;
        int64_t n = 0, offset = 0, size = 0;

        tar->pax.map.n = 0;
        int r = map_number(tar, entry, &n, err);
        for (int64_t i = 0; r == 0 && i < n; i++) {
                r = map_number(tar, entry, &offset, err);
                if (r == 0)
                        r = map_number(tar, entry, &size, err);
                if (r < 0)
                        return r;
                r = mf_sparse_add(&tar->pax.map, (uint64_t) offset, (uint64_t) size);
                if (r == -ENOMEM)
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                if (r < 0)
                        return bad_map(entry, err);
        }
        if (r < 0)
                return r;
        unsigned rest = padding_of(begin - tar->body);
        if (rest > tar->body)
                return bad_map(entry, err);
        tar->body -= rest;
        return skip_bytes(tar, rest, err);
}

/* The formats 0.0, 0.1 and 1.0 of GNU's sparse files under pax. */
static int pax_sparse(struct mf_tar *tar, struct mf_entry *entry, struct mayfly_error *err)
{
        struct mf_pax *pax = &tar->pax;
        int r = 0;

        if (pax->sparse_major > 1 || pax->sparse_minor > (pax->sparse_major == 1 ? 0 : 1) || pax->real_size < 0)
                return mf_entry_bad(err, entry, "is a sparse file in a format that is not known");
        if (pax->sparse_major == 1)
                r = read_map(tar, entry, err);
        else if (!pax->has_map)
                return bad_map(entry, err);
        entry->size = (uint64_t) pax->real_size;
        tar->map = &pax->map;
        return r;
}

static int set_size(struct mf_tar *tar, const struct mf_tar_header *header, struct mf_entry *entry,
                    struct mayfly_error *err)
{
        const struct mf_pax *pax = &tar->pax;
        int64_t size;

        tar->body = tar->padding = 0;
        tar->position = tar->segment = 0;
        int r = field(entry, FIELD(header, size), pax->size, 0, INT64_MAX, &size, err);
        if (r < 0 || !S_ISREG(entry->mode) || entry->hardlink)
                return r;
        tar->body = entry->size = (uint64_t) size;
        tar->padding = padding_of(tar->body);
        if (header->type == 'S')
                r = old_sparse(tar, header, entry, err);
        else if (pax->sparse_major >= 0 || pax->has_map)
                r = pax_sparse(tar, entry, err);
        else
                return mf_sparse_add(&tar->whole, 0, tar->body) < 0 ? mf_error_oom(err, MAYFLY_STAGE_ARCHIVE) : 0;
        if (r == 0 && (mf_sparse_end(tar->map) > entry->size || mf_sparse_bytes(tar->map) != tar->body))
                r = bad_map(entry, err);
        entry->sparse = tar->map;
        return r;
}

/* --- */

/* Refuses what tars read differently: one would check what another unpacks. */
static int check_ambiguity(const struct mf_tar *tar, const struct mf_tar_header *header, const struct mf_entry *entry,
                           struct mayfly_error *err)
{
        const struct mf_pax *pax = &tar->pax;
        int64_t size;

        if (tar->long_name && (pax->path || pax->sparse_name) && strcmp(tar->long_name, entry->name) != 0)
                return mf_entry_bad(err, entry, "has another name in a GNU header; write only one of the two");
        if (tar->long_link && pax->linkpath && strcmp(tar->long_link, pax->linkpath) != 0)
                return mf_entry_bad(err, entry, "links to another name in a GNU header; write only one of the two");
        if (pax->sparse_name && pax->sparse_major < 0 && !pax->has_map)
                return mf_entry_bad(err, entry, "has the name of a sparse file, but is none");
        if (!entry->hardlink || !tar->records)
                return 0;
        int r = field(entry, FIELD(header, size), pax->size, 0, INT64_MAX, &size, err);
        return r == 0 && size > 0 ? mf_entry_bad(err, entry, "is a hard link that has data") : r;
}

static int set_entry(struct mf_tar *tar, const struct mf_tar_header *header, struct mf_entry *ret,
                     struct mayfly_error *err)
{
        struct mf_pax *pax = &tar->pax;
        const enum mf_tar_format format = mf_tar_format(header);
        char why[MF_PAX_WHY_MAX];
        const char *link;

        set_name(tar, header, format);
        *ret = (struct mf_entry){ .name = tar->long_name ? tar->long_name : tar->name,
                                  .is_v7 = format == MF_TAR_V7,
                                  .tar = tar };
        int r = tar->records ? mf_pax_parse(pax, tar->records, tar->records_size, why) : 0;
        if (pax->sparse_name || pax->path)
                ret->name = pax->sparse_name ? pax->sparse_name : pax->path;
        if (r < 0)
                return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_ARCHIVE) : mf_entry_bad(err, ret, why);
        if (*tar->wrong_globals)
                return mf_entry_bad(err, ret, tar->wrong_globals);
        ret->mode = mf_tar_type(header, ret->name);
        link = pax->linkpath ? pax->linkpath : tar->long_link ? tar->long_link : tar->link;
        if (header->type == '1')
                ret->hardlink = link;
        if (header->type == '2')
                ret->symlink = link;
        r = check_ambiguity(tar, header, ret, err);
        if (r == 0)
                r = set_attributes(tar, header, ret, err);
        if (r == 0 && (S_ISCHR(ret->mode) || S_ISBLK(ret->mode)))
                r = set_device(tar, header, ret, err);
        if (r == 0)
                r = set_size(tar, header, ret, err);
        return r < 0 ? r : 1;
}

int mf_tar_next(struct mf_tar *tar, struct mf_entry *ret, struct mayfly_error *err)
{
        struct mf_tar_header header;

        int r = skip_bytes(tar, tar->body, err);
        if (r == 0 && tar->padding && tar->may_lack_end && (r = more(tar, err)) == 0)
                return 0;
        if (r >= 0)
                r = skip_bytes(tar, tar->padding, err);
        if (r < 0)
                return r;
        tar->body = tar->padding = 0;
        tar->begin = tar->used;
        forget(tar);
        do {
                r = next_header(tar, &header, err);
                if (r == 0 && (tar->records || tar->long_name || tar->long_link))
                        r = damaged(tar, "it ends where an entry was announced", err);
                if (r <= 0)
                        return r;
                r = take_extra(tar, &header, err);
        } while (r > 0);
        return r < 0 ? r : set_entry(tar, &header, ret, err);
}

int mf_tar_data(const struct mf_entry *entry, const void **ret, size_t *ret_size, uint64_t *ret_offset,
                struct mayfly_error *err)
{
        struct mf_tar *tar = entry->tar;
        const struct mf_sparse *map = tar->map ? tar->map : &tar->whole;

        while (tar->segment < map->n && tar->position == map->list[tar->segment].size) {
                tar->segment++;
                tar->position = 0;
        }
        if (tar->segment == map->n)
                return 0;
        const struct mf_segment *segment = &map->list[tar->segment];
        int r = more(tar, err);
        if (r == 0)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive ends inside \"%.300s\"", entry->name);
        if (r < 0)
                return r;
        *ret = tar->at;
        *ret_offset = segment->offset + tar->position;
        *ret_size = use(tar, segment->size - tar->position);
        tar->position += *ret_size;
        tar->body -= *ret_size;
        return 1;
}
