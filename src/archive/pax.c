/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/pax.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/macro.h"

/* A record that is being read. `value` is followed by a NUL. */
struct record {
        const char *key;
        char *name; /* what follows the prefix of the key, for keys of that kind */
        char *value;
        size_t size;
        char *why;
};

void mf_pax_init(struct mf_pax *pax)
{
        *pax = (struct mf_pax){ .size = -1,
                                .uid = -1,
                                .gid = -1,
                                .major = -1,
                                .minor = -1,
                                .sparse_major = -1,
                                .sparse_minor = -1,
                                .real_size = -1 };
}

void mf_pax_clear(struct mf_pax *pax)
{
        free(pax->xattrs);
        mf_sparse_clear(&pax->map);
        mf_pax_init(pax);
}

void mf_pax_show(char *ret, size_t ret_size, const char *text, size_t size)
{
        size_t n = size < ret_size - 1 ? size : ret_size - 1;

        for (size_t i = 0; i < n; i++)
                ret[i] = (char) (text[i] >= ' ' && text[i] < 0x7f ? text[i] : '?');
        ret[n] = '\0';
}

int mf_pax_number(const char *text, int64_t max, int64_t *ret)
{
        int64_t value = 0;

        if (!*text)
                return -EBADMSG;
        for (; *text; text++) {
                if (*text < '0' || *text > '9' || value > (max - (*text - '0')) / 10)
                        return -EBADMSG;
                value = value * 10 + (*text - '0');
        }
        *ret = value;
        return 0;
}

/* "1", "-1.5", "1.123456789999". */
static int parse_time(const char *text, struct timespec *ret)
{
        const int negative = *text == '-';
        char seconds[24];
        int64_t whole;
        long nsec = 0, unit = 100000000;

        text += negative;
        size_t digits = strcspn(text, ".");
        if (digits >= sizeof(seconds))
                return -EBADMSG;
        memcpy(seconds, text, digits);
        seconds[digits] = '\0';
        if (mf_pax_number(seconds, INT64_MAX - 1, &whole) < 0)
                return -EBADMSG;
        for (text += digits + (text[digits] == '.'); *text; text++, unit /= 10) {
                if (*text < '0' || *text > '9')
                        return -EBADMSG;
                nsec += (*text - '0') * unit;
        }
        ret->tv_sec = negative ? -whole - (nsec > 0) : whole;
        ret->tv_nsec = negative && nsec > 0 ? 1000000000 - nsec : nsec;
        return 0;
}

/* --- what the keys are ---------------------------------------------------------------------------------------- */

/* Says in record->why what is wrong with the value. Returns -EBADMSG. */
static int bad(const struct record *record, const char *what)
{
        char key[60], value[100];

        mf_pax_show(key, sizeof(key), record->key, strlen(record->key));
        mf_pax_show(value, sizeof(value), record->value, record->size);
        snprintf(record->why, MF_PAX_WHY_MAX, "has \"%s=%s\" in its pax header, which is %s", key, value, what);
        return -EBADMSG;
}

/* An empty value is as good as none. */
static int take_name(const struct record *record, const char **ret)
{
        if (strlen(record->value) != record->size)
                return bad(record, "cut by a NUL");
        *ret = record->size ? record->value : NULL;
        return 0;
}

/* An empty value leaves `ret` as it is. */
static int take_number(const struct record *record, int64_t max, int64_t *ret)
{
        if (record->size == 0)
                return 0;
        return strlen(record->value) == record->size && mf_pax_number(record->value, max, ret) == 0
                       ? 0
                       : bad(record, max < INT64_MAX ? "no number that Linux can have there" : "no number");
}

static int take_path(struct mf_pax *pax, const struct record *record)
{
        return take_name(record, &pax->path);
}

static int take_linkpath(struct mf_pax *pax, const struct record *record)
{
        return take_name(record, &pax->linkpath);
}

/* Checks a name that is not used. Returns 0 or -EBADMSG. */
static int check_name(struct mf_pax *pax, const struct record *record)
{
        const char *ignored;

        (void) pax;
        return take_name(record, &ignored);
}

static int take_size(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, INT64_MAX, &pax->size);
}

/* The highest number means "no change" to chown(2), and nobody has it. */
static int take_uid(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, UINT32_MAX - 1, &pax->uid);
}

static int take_gid(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, UINT32_MAX - 1, &pax->gid);
}

static int take_major(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, UINT32_MAX, &pax->major);
}

static int take_minor(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, UINT32_MAX, &pax->minor);
}

static int take_time(struct mf_pax *pax, const struct record *record)
{
        if (record->size == 0)
                return 0;
        if (strlen(record->value) != record->size || parse_time(record->value, &pax->mtime) < 0)
                return bad(record, "no time");
        pax->has_mtime = 1;
        return 0;
}

/* Checks a time that is not used. Returns 0 or -EBADMSG. */
static int check_time(struct mf_pax *pax, const struct record *record)
{
        struct timespec ignored;

        (void) pax;
        return record->size == 0 || (strlen(record->value) == record->size && parse_time(record->value, &ignored) == 0)
                       ? 0
                       : bad(record, "no time");
}

/* Notes that there is an ACL, which is left out. */
static int take_acl(struct mf_pax *pax, const struct record *record)
{
        (void) record;
        pax->has_acl = 1;
        return 0;
}

/* GNU tar writes "%3D" and "%25" for "=" and "%", as a key cannot have the former. */
static void decode(char *name)
{
        char *to = name;

        for (const char *from = name; *from; from++) {
                if (strncmp(from, "%3D", 3) == 0 || strncmp(from, "%25", 3) == 0) {
                        *to++ = from[1] == '3' ? '=' : '%';
                        from += 2;
                } else {
                        *to++ = *from;
                }
        }
        *to = '\0';
}

/* Each attribute is compared with all before it, and an archive could have 50,000 in a header. */
#define XATTRS_MAX 1024U

static int take_xattr(struct mf_pax *pax, const struct record *record)
{
        decode(record->name);
        for (size_t i = 0; i < pax->n_xattrs; i++)
                if (strcmp(pax->xattrs[i].name, record->name) == 0) {
                        pax->xattrs[i] = (struct mf_xattr){ record->name, record->value, record->size };
                        return 0;
                }
        if (pax->n_xattrs == XATTRS_MAX)
                return bad(record, "its 1,025th extended attribute; an entry can have 1,024");
        struct mf_xattr *grown = mf_grow(pax->xattrs, pax->n_xattrs, &pax->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        pax->xattrs = grown;
        pax->xattrs[pax->n_xattrs++] = (struct mf_xattr){ record->name, record->value, record->size };
        return 0;
}

static int take_sparse_major(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, INT64_MAX, &pax->sparse_major);
}

static int take_sparse_minor(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, INT64_MAX, &pax->sparse_minor);
}

static int take_sparse_name(struct mf_pax *pax, const struct record *record)
{
        return take_name(record, &pax->sparse_name);
}

static int take_real_size(struct mf_pax *pax, const struct record *record)
{
        return take_number(record, INT64_MAX, &pax->real_size);
}

/* Checks a number that is not used. Returns 0 or -EBADMSG. */
static int check_number(struct mf_pax *pax, const struct record *record)
{
        int64_t ignored;

        (void) pax;
        return take_number(record, INT64_MAX, &ignored);
}

/* Adds a segment of text "OFFSET" and "SIZE". */
static int add_segment(struct mf_pax *pax, const struct record *record, const char *offset, const char *size)
{
        int64_t at, n;

        pax->has_map = 1;
        if (mf_pax_number(offset, INT64_MAX, &at) < 0 || mf_pax_number(size, INT64_MAX, &n) < 0)
                return bad(record, "no map of a sparse file");
        int r = mf_sparse_add(&pax->map, (uint64_t) at, (uint64_t) n);
        return r == -EBADMSG || r == -E2BIG ? bad(record, "no map of a sparse file") : r;
}

/* Format 0.1: "OFFSET,SIZE,OFFSET,SIZE". */
static int take_map(struct mf_pax *pax, const struct record *record)
{
        char *rest = record->value, *offset, *size;
        mf_cleanup(mf_freep) char *copy = strdup(record->value);
        int r = 0;

        if (!copy)
                return -ENOMEM;
        pax->map.n = 0;
        pax->has_map = 1;
        if (strlen(record->value) != record->size)
                return bad(record, "cut by a NUL");
        rest = copy;
        while (r == 0 && record->size > 0 && (offset = strsep(&rest, ","))) {
                size = strsep(&rest, ",");
                r = add_segment(pax, record, offset, size ? size : "");
        }
        return r;
}

/* Format 0.0: a record each for a segment's offset and its size. */
static int take_offset(struct mf_pax *pax, const struct record *record)
{
        return add_segment(pax, record, record->value, "0");
}

static int take_numbytes(struct mf_pax *pax, const struct record *record)
{
        int64_t size = 0;

        if (pax->map.n == 0 || pax->map.list[pax->map.n - 1].size != 0)
                return bad(record, "no part of a map of a sparse file");
        int r = take_number(record, INT64_MAX, &size);
        struct mf_segment *last = &pax->map.list[pax->map.n - 1];
        if (r == 0 && (uint64_t) size > INT64_MAX - last->offset)
                return bad(record, "no part of a map of a sparse file");
        if (r == 0 && record->size > 0)
                last->size = (uint64_t) size;
        return r;
}

enum scope { OF_FILE, OF_NOTHING };

struct key {
        const char *name; /* one that ends in "." is a prefix */
        enum scope scope;
        int (*take)(struct mf_pax *pax, const struct record *record);
};

static const struct key keys[] = {
        { "path", OF_FILE, take_path },
        { "linkpath", OF_FILE, take_linkpath },
        { "size", OF_FILE, take_size },
        { "uid", OF_FILE, take_uid },
        { "gid", OF_FILE, take_gid },
        { "uname", OF_NOTHING, check_name },
        { "gname", OF_NOTHING, check_name },
        { "mtime", OF_FILE, take_time },
        { "atime", OF_NOTHING, check_time },
        { "ctime", OF_NOTHING, check_time },
        { "SCHILY.devmajor", OF_FILE, take_major },
        { "SCHILY.devminor", OF_FILE, take_minor },
        { "SCHILY.acl.", OF_FILE, take_acl },
        { "SCHILY.xattr.", OF_FILE, take_xattr },
        { "GNU.sparse.major", OF_FILE, take_sparse_major },
        { "GNU.sparse.minor", OF_FILE, take_sparse_minor },
        { "GNU.sparse.name", OF_FILE, take_sparse_name },
        { "GNU.sparse.realsize", OF_FILE, take_real_size },
        { "GNU.sparse.size", OF_FILE, take_real_size },
        { "GNU.sparse.numblocks", OF_FILE, check_number },
        { "GNU.sparse.map", OF_FILE, take_map },
        { "GNU.sparse.offset", OF_FILE, take_offset },
        { "GNU.sparse.numbytes", OF_FILE, take_numbytes },
};

/* The key that a record has, or NULL when it means nothing to us. */
static const struct key *find_key(const char *name)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(keys); i++) {
                size_t length = strlen(keys[i].name);
                if (keys[i].name[length - 1] == '.' ? strncmp(name, keys[i].name, length) == 0 && name[length]
                                                    : strcmp(name, keys[i].name) == 0)
                        return &keys[i];
        }
        return NULL;
}

/* --- records -------------------------------------------------------------------------------------------------- */

/* Says in `why` what is wrong with the header at `at`. Returns -EBADMSG. */
static int malformed(char *why, const char *what, const char *at, size_t size)
{
        char shown[40];

        mf_pax_show(shown, sizeof(shown), at, size);
        snprintf(why, MF_PAX_WHY_MAX, "has a pax header with %s: \"%s\"", what, shown);
        return -EBADMSG;
}

/* Takes one record off the data. */
static int next_record(char **data, size_t *size, struct record *ret)
{
        char *at = *data, *end;
        size_t length = 0, digits = 0;

        for (; digits < *size && at[digits] >= '0' && at[digits] <= '9' && length <= *size; digits++)
                length = length * 10 + (size_t) (at[digits] - '0');
        if (digits == 0 || digits >= *size || at[digits] != ' ')
                return malformed(ret->why, "a record that does not begin with its length", at, *size);
        if (length > *size || length < digits + 4 || at[length - 1] != '\n')
                return malformed(ret->why, "a record of wrong length", at, *size);
        end = at + length - 1;
        char *key = at + digits + 1, *equals = memchr(key, '=', (size_t) (end - key));
        if (!equals || equals == key || memchr(key, '\0', (size_t) (equals - key)))
                return malformed(ret->why, "a record without a key", at, length - 1);
        *equals = *end = '\0';
        ret->key = key;
        ret->value = equals + 1;
        ret->size = (size_t) (end - ret->value);
        *data += length;
        *size -= length;
        return 0;
}

int mf_pax_parse(struct mf_pax *ret, char *data, size_t size, char why[MF_PAX_WHY_MAX])
{
        struct record record = { .why = why };
        int r = 0;

        while (r == 0 && size > 0) {
                r = next_record(&data, &size, &record);
                const struct key *key = r == 0 ? find_key(record.key) : NULL;
                if (!key)
                        continue;
                record.name = (char *) (uintptr_t) record.key + strlen(key->name);
                r = key->take(ret, &record);
        }
        return r;
}

int mf_pax_check_global(char *data, size_t size, char why[MF_PAX_WHY_MAX])
{
        struct record record = { .why = why };
        int r = 0;

        while (r == 0 && size > 0) {
                r = next_record(&data, &size, &record);
                const struct key *key = r == 0 ? find_key(record.key) : NULL;
                if (key && key->scope == OF_FILE && record.size > 0) {
                        snprintf(why, MF_PAX_WHY_MAX,
                                 "comes after a pax header that sets \"%.60s\" for all entries; write it for each",
                                 record.key);
                        r = -EBADMSG;
                }
        }
        return r;
}
