/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/archive-rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/xattr.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

/* --- each by itself ------------------------------------------------------------------------------------------- */

/* The entry's normalized name: "manifest", "rootfs", something below that, or empty for the root of the archive itself.
 * -EBADMSG for any other, or when the entry is not what its name must be. */
static int entry_path(const struct mf_entry *entry, char ret[PATH_MAX], struct mayfly_error *err)
{
        const char *why;

        mf_entry_normalize(entry->name, ret, &why);
        if (why)
                return mf_entry_bad(err, entry, why);
        if (!*ret) /* "./", the root of the archive itself */
                return S_ISDIR(entry->mode) ? 0 : mf_entry_bad(err, entry, "has no name");
        if (strcmp(ret, "manifest") == 0) {
                if (!S_ISREG(entry->mode) || entry->hardlink)
                        return mf_entry_bad(err, entry, "must be a regular file");
                return entry->size > MF_MANIFEST_MAX ? mf_entry_bad(err, entry, "is over 1 MiB") : 0;
        }
        if (strcmp(ret, "rootfs") == 0)
                return S_ISDIR(entry->mode) ? 0 : mf_entry_bad(err, entry, "must be a directory");
        return strncmp(ret, "rootfs/", 7) == 0
                       ? 0
                       : mf_entry_bad(err, entry,
                                      "is neither \"manifest\" nor under \"rootfs\", the only two an ACI may have");
}

/* The normalized name of what a hard link links to, which must be below rootfs. */
static int link_target(const struct mf_entry *entry, char ret[PATH_MAX], struct mayfly_error *err)
{
        const char *why;

        mf_entry_normalize(entry->hardlink, ret, &why);
        return why || strncmp(ret, "rootfs/", 7) != 0
                       ? mf_entry_bad(err, entry, "is a hard link to something outside rootfs")
                       : 0;
}

int mf_entry_place(const struct mf_entry *entry, struct mf_place *ret, struct mayfly_error *err)
{
        ret->target[0] = '\0';
        int r = entry_path(entry, ret->path, err);
        return r == 0 && entry->hardlink ? link_target(entry, ret->target, err) : r;
}

void mf_parts_note(struct mf_parts *parts, const char *path)
{
        if (strcmp(path, "manifest") == 0)
                parts->manifest = 1;
        else if (*path)
                parts->rootfs = 1;
}

int mf_parts_check(const struct mf_parts *parts, struct mayfly_error *err)
{
        return parts->manifest && parts->rootfs
                       ? 0
                       : mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive has no %s; is it an ACI?",
                                  parts->manifest ? "rootfs" : "manifest");
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

enum type { FOLDER, IMPLICIT_FOLDER, LINK, OTHER };

/* A component of a name, below another one. */
struct name {
        const struct name *parent;
        struct name *next; /* in its bucket */
        uint64_t hash;
        enum type type;
        unsigned links; /* hard links to it */
        char text[];
};

struct mf_entries {
        struct name **buckets; /* all names, by parent and component */
        size_t n_buckets, n_names;
        struct mf_parts parts;
        char **warnings; /* one of each kind at most */
        unsigned warned; /* bits of enum doubt */

        /* The directories of the entry before: the next one is in most of them, too. */
        char path[PATH_MAX];
        struct {
                struct name *name;
                size_t end; /* in `path` */
        } last[PATH_MAX / 2 + 1];
        size_t n_last;
};

struct mf_entries *mf_entries_new(void)
{
        return calloc(1, sizeof(struct mf_entries));
}

struct mf_entries *mf_entries_free(struct mf_entries *entries)
{
        for (size_t i = 0; entries && i < entries->n_buckets; i++)
                for (struct name *name = entries->buckets[i], *next; name; name = next) {
                        next = name->next;
                        free(name);
                }
        if (entries)
                free(entries->buckets);
        if (entries)
                mf_strv_free(entries->warnings);
        free(entries);
        return NULL;
}

static uint64_t hash_of(const struct name *parent, const char *text, size_t length)
{
        uint64_t hash = (parent ? parent->hash : 0) ^ 0xcbf29ce484222325U;

        for (size_t i = 0; i < length; i++)
                hash = (hash ^ (unsigned char) text[i]) * 0x100000001b3U;
        return hash;
}

static int grow(struct mf_entries *entries)
{
        size_t n = entries->n_buckets ? entries->n_buckets * 2 : 1024;
        struct name **buckets = calloc(n, sizeof(*buckets));

        if (!buckets)
                return -ENOMEM;
        for (size_t i = 0; i < entries->n_buckets; i++)
                for (struct name *name = entries->buckets[i], *next; name; name = next) {
                        next = name->next;
                        name->next = buckets[name->hash & (n - 1)];
                        buckets[name->hash & (n - 1)] = name;
                }
        free(entries->buckets);
        entries->buckets = buckets;
        entries->n_buckets = n;
        return 0;
}

static struct name *find_below(const struct mf_entries *entries, const struct name *parent, const char *text,
                               size_t length)
{
        uint64_t hash = hash_of(parent, text, length);

        if (entries->n_buckets == 0)
                return NULL;
        for (struct name *name = entries->buckets[hash & (entries->n_buckets - 1)]; name; name = name->next)
                if (name->hash == hash && name->parent == parent && strncmp(name->text, text, length) == 0 &&
                    !name->text[length])
                        return name;
        return NULL;
}

/* The component `text` below `parent`, which is made when there is none: *ret_new. NULL: out of memory. */
static struct name *add_below(struct mf_entries *entries, const struct name *parent, const char *text, size_t length,
                              enum type type, int *ret_new)
{
        struct name *name = find_below(entries, parent, text, length);

        *ret_new = !name;
        if (name)
                return name;
        if (entries->n_names >= entries->n_buckets && grow(entries) < 0)
                return NULL;
        name = malloc(sizeof(*name) + length + 1);
        if (!name)
                return NULL;
        name->parent = parent;
        name->hash = hash_of(parent, text, length);
        name->type = type;
        name->links = 1;
        memcpy(name->text, text, length);
        name->text[length] = '\0';
        struct name **bucket = &entries->buckets[name->hash & (entries->n_buckets - 1)];
        name->next = *bucket;
        *bucket = name;
        entries->n_names++;
        return name;
}

static struct name *find_name(const struct mf_entries *entries, const char *path)
{
        struct name *name = NULL;

        for (;;) {
                size_t length = strcspn(path, "/");
                name = find_below(entries, name, path, length);
                if (!name || !path[length])
                        return name;
                path += length + 1;
        }
}

/* Forgets those of the last directories that `path` does not lie in. */
static void keep_common(struct mf_entries *entries, const char *path)
{
        size_t same = 0;

        while (path[same] && path[same] == entries->path[same])
                same++;
        while (entries->n_last > 0) {
                size_t end = entries->last[entries->n_last - 1].end;
                if (end <= same && path[end] == '/')
                        break;
                entries->n_last--;
        }
        strcpy(entries->path, path);
}

/* Finds, or makes, the directory that `path` lies in; *ret_base is the last component. */
static int find_parent(struct mf_entries *entries, const char *path, const struct mf_entry *entry,
                       const struct name **ret, const char **ret_base, struct mayfly_error *err)
{
        int is_new;

        keep_common(entries, path);
        size_t n = entries->n_last;
        struct name *parent = n ? entries->last[n - 1].name : NULL;
        size_t at = n ? entries->last[n - 1].end + 1 : 0;
        for (const char *slash = strchr(path + at, '/'); slash; slash = strchr(path + at, '/')) {
                parent = add_below(entries, parent, path + at, (size_t) (slash - path) - at, IMPLICIT_FOLDER, &is_new);
                if (!parent)
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                if (parent->type == LINK)
                        return mf_entry_bad(err, entry,
                                            "lies beyond a symbolic link, which would lead out of its folder");
                if (parent->type == OTHER)
                        return mf_entry_bad(err, entry, "lies beneath something that is not a directory");
                entries->last[n].name = parent;
                entries->last[n++].end = (size_t) (slash - path);
                at = (size_t) (slash - path) + 1;
        }
        entries->n_last = n;
        *ret = parent;
        *ret_base = path + at;
        return 0;
}

/* --- what common file systems refuse -------------------------------------------------------------------------- */

#define XATTRS_MAX 4000U /* ext4 has a block of 4 KiB for all attributes of a file */
#define SIZE_MAX_EXT4 ((uint64_t) 1 << 44)
#define LINKS_MAX 65000U /* ext4 */

enum doubt { HAS_ACL = 1, LONG_XATTRS = 2, BAD_CAPABILITY = 4, LONG_FILE = 8, MANY_LINKS = 16 };

/* Adds a warning, unless one of its kind is there. 0 or -ENOMEM. */
__attribute__((format(printf, 3, 4))) static int warn(struct mf_entries *entries, enum doubt doubt, const char *format,
                                                      ...)
{
        va_list arguments;
        char *text = NULL;

        if (entries->warned & doubt)
                return 0;
        entries->warned |= doubt;
        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        return mf_strv_add(&entries->warnings, text);
}

/* Whether Linux takes the value of a security.capability: a version, and as many bytes as belong to it. */
static int is_capability(const struct mf_xattr *xattr)
{
        const unsigned char *value = xattr->value;

        return (xattr->size == 12 && value[3] == 1) || (xattr->size == 20 && value[3] == 2) ||
               (xattr->size == 24 && value[3] == 3);
}

static int doubt_xattrs(struct mf_entries *entries, const struct mf_entry *entry)
{
        size_t size = 0;
        int r = 0;

        for (size_t i = 0; i < entry->n_xattrs && r == 0; i++) {
                const struct mf_xattr *xattr = &entry->xattrs[i];
                if (!mf_xattr_is_kept(xattr->name))
                        continue;
                size += strlen(xattr->name) + xattr->size;
                if (strcmp(xattr->name, "security.capability") == 0 && !is_capability(xattr))
                        r = warn(entries, BAD_CAPABILITY,
                                 "%.300s: its file capability is malformed, and Linux refuses it", entry->name);
        }
        return r == 0 && size > XATTRS_MAX
                       ? warn(entries, LONG_XATTRS,
                              "%.300s: it has %zu bytes of extended attributes, and ext4 keeps about 4,000",
                              entry->name, size)
                       : r;
}

/* Warns of what is valid, but is left out, or cannot be stored everywhere. 0 or -ENOMEM. */
static int doubt_entry(struct mf_entries *entries, const struct mf_entry *entry)
{
        int r = doubt_xattrs(entries, entry);

        if (r == 0 && entry->has_acl)
                r = warn(entries, HAS_ACL, "%.300s: it has a POSIX ACL, which is left out, as are all others",
                         entry->name);
        if (r == 0 && entry->size >= SIZE_MAX_EXT4)
                r = warn(entries, LONG_FILE, "%.300s: it is %llu bytes long, and ext4 has files of up to 16 TiB",
                         entry->name, (unsigned long long) entry->size);
        return r;
}

char **mf_entries_take_warnings(struct mf_entries *entries)
{
        return mf_take(entries->warnings);
}

/* What a hard link becomes. */
static int link_type(struct mf_entries *entries, const struct mf_entry *entry, const char *target, enum type *ret,
                     struct mayfly_error *err)
{
        struct name *name = find_name(entries, target);
        if (!name || name->type == FOLDER || name->type == IMPLICIT_FOLDER)
                return mf_entry_bad(err, entry, "is a hard link to something that is not in the archive before it");
        *ret = name->type;
        return ++name->links <= LINKS_MAX ||
                               warn(entries, MANY_LINKS,
                                    "%.300s: it has more than 65,000 hard links, and ext4 refuses more", target) == 0
                       ? 0
                       : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
}

static int entry_type(struct mf_entries *entries, const struct mf_entry *entry, const char *target, enum type *ret,
                      struct mayfly_error *err)
{
        *ret = OTHER;
        if (entry->hardlink)
                return link_type(entries, entry, target, ret, err);
        if (S_ISDIR(entry->mode))
                *ret = FOLDER;
        if (S_ISLNK(entry->mode)) {
                *ret = LINK;
                if (!entry->symlink || !*entry->symlink)
                        return mf_entry_bad(err, entry, "is a symbolic link to nothing");
                if (strlen(entry->symlink) >= PATH_MAX)
                        return mf_entry_bad(err, entry, "is a symbolic link to too long a name");
        }
        if (S_ISCHR(entry->mode) && entry->rdev == 0)
                return mf_entry_bad(err, entry, MF_ENTRY_IS_WHITEOUT);
        return S_ISREG(entry->mode) || S_ISDIR(entry->mode) || S_ISLNK(entry->mode) || S_ISFIFO(entry->mode) ||
                               S_ISCHR(entry->mode) || S_ISBLK(entry->mode)
                       ? 0
                       : mf_entry_bad(err, entry, "is of a type an image cannot hold");
}

int mf_entries_add(struct mf_entries *entries, const struct mf_entry *entry, struct mayfly_error *err)
{
        const struct name *parent = NULL;
        const char *base = NULL;
        struct mf_place place;
        enum type type = OTHER;
        uint64_t end;
        int is_new;

        int r = mf_entry_place(entry, &place, err);
        const char *path = place.path;
        if (r < 0 || !*path)
                return r;
        r = find_parent(entries, path, entry, &parent, &base, err);
        if (r == 0)
                r = entry_type(entries, entry, place.target, &type, err);
        if (r < 0)
                return r;
        struct name *name = add_below(entries, parent, base, strlen(base), type, &is_new);
        if (!name)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (!is_new && (type != FOLDER || name->type != IMPLICIT_FOLDER))
                return mf_entry_bad(err, entry, "is there twice");
        name->type = type;
        mf_parts_note(&entries->parts, path);
        if (doubt_entry(entries, entry) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return S_ISREG(entry->mode) && !entry->hardlink && strcmp(path, "manifest") != 0
                       ? mf_entry_data(entry, -1, NULL, &end, err)
                       : 0;
}

int mf_entries_finish(const struct mf_entries *entries, struct mayfly_error *err)
{
        const struct name *rootfs = find_name(entries, "rootfs");

        int r = mf_parts_check(&entries->parts, err);
        if (r < 0)
                return r;
        if (!rootfs || rootfs->type != FOLDER)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the archive has files in \"rootfs\", but no entry for that folder itself");
        return 0;
}
