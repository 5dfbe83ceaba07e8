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

/* --- one entry by itself ------------------------------------------------------------------------------------------- */

/* Fills *ret with the entry's normalized name: "manifest", "rootfs", a path below "rootfs", or empty for the root of the
 * archive itself. Returns 0, or -EBADMSG when an ACI has no such name or the entry's type does not fit its name. */
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
                                      "is neither \"manifest\" nor under \"rootfs\", and an ACI may have nothing else");
}

/* Fills *ret with the normalized name of the hard link's target. Returns 0, or -EBADMSG when it is not below rootfs. */
static int link_target(const struct mf_entry *entry, char ret[PATH_MAX], struct mayfly_error *err)
{
        const char *why;

        mf_entry_normalize(entry->hardlink, ret, &why);
        return why || strncmp(ret, "rootfs/", 7) != 0
                       ? mf_entry_bad(err, entry, "is a hard link to a target outside rootfs")
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

/* --- all entries ----------------------------------------------------------------------------------------------- */

enum type { DIRECTORY, IMPLIED_DIRECTORY, LINK, OTHER };

/* One component of a name. Its parent is the component before it. */
struct name {
        const struct name *parent;
        struct name *next; /* in the same bucket */
        uint64_t hash;
        enum type type;
        unsigned links; /* hard links to it */
        char text[];
};

struct mf_archive_rules {
        struct name **buckets; /* all names, by parent and component */
        size_t n_buckets, n_names;
        struct mf_parts parts;
        char **warnings; /* one of each kind at most */
        unsigned warned; /* bits of enum doubt */

        /* The directories of the previous entry: most of them contain the next entry, too. */
        char path[PATH_MAX];
        struct {
                struct name *name;
                size_t end; /* in `path` */
        } last[PATH_MAX / 2 + 1];
        size_t n_last;
};

struct mf_archive_rules *mf_archive_rules_new(void)
{
        return calloc(1, sizeof(struct mf_archive_rules));
}

struct mf_archive_rules *mf_archive_rules_free(struct mf_archive_rules *rules)
{
        for (size_t i = 0; rules && i < rules->n_buckets; i++)
                for (struct name *name = rules->buckets[i], *next; name; name = next) {
                        next = name->next;
                        free(name);
                }
        if (rules)
                free(rules->buckets);
        if (rules)
                mf_strv_free(rules->warnings);
        free(rules);
        return NULL;
}

/* Returns the hash (FNV-1a) of the component `text` below `parent`. */
static uint64_t hash_of(const struct name *parent, const char *text, size_t length)
{
        uint64_t hash = (parent ? parent->hash : 0) ^ 0xcbf29ce484222325U;

        for (size_t i = 0; i < length; i++)
                hash = (hash ^ (unsigned char) text[i]) * 0x100000001b3U;
        return hash;
}

/* Doubles the number of buckets. Returns 0 or -ENOMEM. */
static int grow(struct mf_archive_rules *rules)
{
        size_t n = rules->n_buckets ? rules->n_buckets * 2 : 1024;
        struct name **buckets = calloc(n, sizeof(*buckets));

        if (!buckets)
                return -ENOMEM;
        for (size_t i = 0; i < rules->n_buckets; i++)
                for (struct name *name = rules->buckets[i], *next; name; name = next) {
                        next = name->next;
                        name->next = buckets[name->hash & (n - 1)];
                        buckets[name->hash & (n - 1)] = name;
                }
        free(rules->buckets);
        rules->buckets = buckets;
        rules->n_buckets = n;
        return 0;
}

/* Returns the component `text` below `parent`, or NULL when there is none. */
static struct name *find_below(const struct mf_archive_rules *rules, const struct name *parent, const char *text,
                               size_t length)
{
        uint64_t hash = hash_of(parent, text, length);

        if (rules->n_buckets == 0)
                return NULL;
        for (struct name *name = rules->buckets[hash & (rules->n_buckets - 1)]; name; name = name->next)
                if (name->hash == hash && name->parent == parent && strncmp(name->text, text, length) == 0 &&
                    !name->text[length])
                        return name;
        return NULL;
}

/* Returns the component `text` below `parent`, and makes it when there is none (*ret_new is 1 then); NULL when memory is
 * short. */
static struct name *add_below(struct mf_archive_rules *rules, const struct name *parent, const char *text,
                              size_t length, enum type type, int *ret_new)
{
        struct name *name = find_below(rules, parent, text, length);

        *ret_new = !name;
        if (name)
                return name;
        if (rules->n_names >= rules->n_buckets && grow(rules) < 0)
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
        struct name **bucket = &rules->buckets[name->hash & (rules->n_buckets - 1)];
        name->next = *bucket;
        *bucket = name;
        rules->n_names++;
        return name;
}

/* Returns the last component of `path`, or NULL when no entry had that path. */
static struct name *find_name(const struct mf_archive_rules *rules, const char *path)
{
        struct name *name = NULL;

        for (;;) {
                size_t length = strcspn(path, "/");
                name = find_below(rules, name, path, length);
                if (!name || !path[length])
                        return name;
                path += length + 1;
        }
}

/* Forgets the last directories that do not contain `path`. */
static void keep_common(struct mf_archive_rules *rules, const char *path)
{
        size_t same = 0;

        while (path[same] && path[same] == rules->path[same])
                same++;
        while (rules->n_last > 0) {
                size_t end = rules->last[rules->n_last - 1].end;
                if (end <= same && path[end] == '/')
                        break;
                rules->n_last--;
        }
        strcpy(rules->path, path);
}

/* Finds the directory that contains `path`, and makes it when an entry only implies it. *ret_base is the last component
 * of `path`. Returns 0 or negative errno. */
static int find_parent(struct mf_archive_rules *rules, const char *path, const struct mf_entry *entry,
                       const struct name **ret, const char **ret_base, struct mayfly_error *err)
{
        int is_new;

        keep_common(rules, path);
        size_t n = rules->n_last;
        struct name *parent = n ? rules->last[n - 1].name : NULL;
        size_t at = n ? rules->last[n - 1].end + 1 : 0;
        for (const char *slash = strchr(path + at, '/'); slash; slash = strchr(path + at, '/')) {
                parent = add_below(rules, parent, path + at, (size_t) (slash - path) - at, IMPLIED_DIRECTORY, &is_new);
                if (!parent)
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                if (parent->type == LINK)
                        return mf_entry_bad(err, entry, MF_ENTRY_BEYOND_LINK);
                if (parent->type == OTHER)
                        return mf_entry_bad(err, entry, MF_ENTRY_BELOW_FILE);
                rules->last[n].name = parent;
                rules->last[n++].end = (size_t) (slash - path);
                at = (size_t) (slash - path) + 1;
        }
        rules->n_last = n;
        *ret = parent;
        *ret_base = path + at;
        return 0;
}

/* --- entries that common file systems refuse -------------------------------------------------------------------------- */

#define XATTRS_MAX 4000U /* ext4 has a block of 4 KiB for all attributes of a file */
#define SIZE_MAX_EXT4 ((uint64_t) 1 << 44)
#define LINKS_MAX 65000U /* ext4 */
#define TARGET_MAX 1023U /* XFS */

enum doubt { HAS_ACL = 1, LONG_XATTRS = 2, LONG_FILE = 4, MANY_LINKS = 8, LONG_TARGET = 16 };

/* Adds a warning, unless one of its kind is there. Returns 0 or -ENOMEM. */
__attribute__((format(printf, 3, 4))) static int warn(struct mf_archive_rules *rules, enum doubt doubt,
                                                      const char *format, ...)
{
        va_list arguments;
        char *text = NULL;

        if (rules->warned & doubt)
                return 0;
        rules->warned |= doubt;
        va_start(arguments, format);
        if (vasprintf(&text, format, arguments) < 0)
                text = NULL;
        va_end(arguments);
        return mf_strv_add(&rules->warnings, text);
}

/* Returns the size of the extended attributes that images keep. */
static size_t xattrs_size(const struct mf_entry *entry)
{
        size_t size = 0;

        for (size_t i = 0; i < entry->n_xattrs; i++)
                if (mf_xattr_is_kept(entry->xattrs[i].name))
                        size += strlen(entry->xattrs[i].name) + entry->xattrs[i].size;
        return size;
}

/* Warns of a valid entry that is not stored completely, or that some file systems refuse. What no Linux system can store is
 * an error: see mf_entry_check(). Returns 0 or -ENOMEM. */
static int doubt_entry(struct mf_archive_rules *rules, const struct mf_entry *entry)
{
        const size_t xattrs = xattrs_size(entry);
        int r = 0;

        if (entry->has_acl)
                r = warn(rules, HAS_ACL, MF_WARNING_ACL, entry->name);
        if (r == 0 && xattrs > XATTRS_MAX)
                r = warn(rules, LONG_XATTRS,
                         "\"%.300s\" has %zu bytes of extended attributes, and ext4 keeps about 4,000", entry->name,
                         xattrs);
        if (r == 0 && entry->size >= SIZE_MAX_EXT4)
                r = warn(rules, LONG_FILE, "\"%.300s\" is %llu bytes long, and ext4 has files of up to 16 TiB",
                         entry->name, (unsigned long long) entry->size);
        if (r == 0 && entry->symlink && strlen(entry->symlink) > TARGET_MAX)
                r = warn(rules, LONG_TARGET,
                         "\"%.300s\" is a symbolic link with a target of %zu bytes, and XFS keeps up to 1,023",
                         entry->name, strlen(entry->symlink));
        return r;
}

char **mf_archive_rules_take_warnings(struct mf_archive_rules *rules)
{
        return mf_take(rules->warnings);
}

/* Sets *ret to the type of the hard link's target. Returns 0, or -EBADMSG when the target cannot be linked to. */
static int link_type(struct mf_archive_rules *rules, const struct mf_entry *entry, const char *target, enum type *ret,
                     struct mayfly_error *err)
{
        struct name *name = find_name(rules, target);
        if (!name || name->type == DIRECTORY || name->type == IMPLIED_DIRECTORY)
                return mf_entry_bad(err, entry, MF_ENTRY_LINKS_TO_NONE);
        *ret = name->type;
        return ++name->links <= LINKS_MAX ||
                               warn(rules, MANY_LINKS,
                                    "\"%.300s\" has more than 65,000 hard links, and ext4 refuses more", target) == 0
                       ? 0
                       : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
}

/* Sets *ret to the entry's type. Returns 0, or negative errno: -EBADMSG when an image cannot hold such an entry. */
static int entry_type(struct mf_archive_rules *rules, const struct mf_entry *entry, const char *target, enum type *ret,
                      struct mayfly_error *err)
{
        *ret = OTHER;
        if (entry->hardlink)
                return link_type(rules, entry, target, ret, err);
        if (S_ISDIR(entry->mode))
                *ret = DIRECTORY;
        else if (S_ISLNK(entry->mode))
                *ret = LINK;
        return mf_entry_check(entry, err);
}

int mf_archive_rules_add(struct mf_archive_rules *rules, const struct mf_entry *entry, struct mayfly_error *err)
{
        const struct name *parent = NULL;
        const char *base = "";
        struct mf_place place;
        enum type type = OTHER;
        uint64_t end;
        int is_new;

        int r = mf_entry_place(entry, &place, err);
        const char *path = place.path;
        if (r < 0 || !*path)
                return r;
        r = find_parent(rules, path, entry, &parent, &base, err);
        if (r == 0)
                r = entry_type(rules, entry, place.target, &type, err);
        if (r < 0)
                return r;
        struct name *name = add_below(rules, parent, base, strlen(base), type, &is_new);
        if (!name)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (!is_new && (type != DIRECTORY || name->type != IMPLIED_DIRECTORY))
                return mf_entry_bad(err, entry, MF_ENTRY_IS_TWICE);
        name->type = type;
        mf_parts_note(&rules->parts, path);
        if (doubt_entry(rules, entry) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return S_ISREG(entry->mode) && !entry->hardlink && strcmp(path, "manifest") != 0
                       ? mf_entry_data(entry, -1, NULL, &end, err)
                       : 0;
}

int mf_archive_rules_finish(const struct mf_archive_rules *rules, struct mayfly_error *err)
{
        const struct name *rootfs = find_name(rules, "rootfs");

        int r = mf_parts_check(&rules->parts, err);
        if (r < 0)
                return r;
        if (!rootfs || rootfs->type != DIRECTORY)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "the archive has files in \"rootfs\", but no entry for that directory; add one");
        return 0;
}
