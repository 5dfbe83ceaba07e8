/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "aci/archive-rules.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

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

/* Reads the data, into a file or into nothing. */
static int read_data(const struct mf_entry *entry, int fd, struct mayfly_error *err)
{
        struct mf_content_sum *sum = mf_content_sum_new();
        uint64_t end;

        if (!sum)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        mf_content_sum_begin(sum, entry->size);
        int r = mf_entry_data(entry, fd, sum, &end, err);
        mf_content_sum_free(sum);
        return r;
}

int mf_entry_text(const struct mf_entry *entry, char **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-manifest", MFD_CLOEXEC);
        mf_cleanup(mf_freep) char *text = calloc(1, (size_t) entry->size + 1);

        if (!text || fd < 0 || ftruncate(fd, (off_t) entry->size) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        int r = read_data(entry, fd, err);
        if (r == 0 &&
            (lseek(fd, 0, SEEK_SET) < 0 || mf_read_full(fd, text, (size_t) entry->size) != (ssize_t) entry->size))
                r = mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE, "the manifest cannot be read in full");
        if (r == 0)
                *ret = mf_take(text);
        return r;
}

/* --- all of them ---------------------------------------------------------------------------------------------- */

enum type { FOLDER, IMPLICIT_FOLDER, LINK, OTHER };

struct name {
        enum type type;
        char path[];
};

struct mf_entries {
        void *names; /* a tree of struct name */
        int null_fd;
        struct mf_parts parts;
};

static int compare(const void *a, const void *b)
{
        return strcmp(((const struct name *) a)->path, ((const struct name *) b)->path);
}

struct mf_entries *mf_entries_new(void)
{
        struct mf_entries *entries = calloc(1, sizeof(*entries));

        if (entries)
                entries->null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return entries && entries->null_fd < 0 ? mf_entries_free(entries) : entries;
}

struct mf_entries *mf_entries_free(struct mf_entries *entries)
{
        if (entries) {
                tdestroy(entries->names, free);
                mf_close(entries->null_fd);
                free(entries);
        }
        return NULL;
}

/* The one of that name, which is made when there is none: *ret_new. NULL: out of memory. */
static struct name *add_name(struct mf_entries *entries, const char *path, size_t length, enum type type, int *ret_new)
{
        struct name *name = malloc(sizeof(*name) + length + 1), **found;

        if (!name)
                return NULL;
        name->type = type;
        memcpy(name->path, path, length);
        name->path[length] = '\0';
        found = tsearch(name, &entries->names, compare);
        *ret_new = found && *found == name;
        if (!*ret_new)
                free(name);
        return found ? *found : NULL;
}

static const struct name *find_name(const struct mf_entries *entries, const char *path)
{
        _Alignas(struct name) char key[sizeof(struct name) + PATH_MAX];

        strcpy(((struct name *) (void *) key)->path, path);
        struct name **found = tfind(key, &entries->names, compare);
        return found ? *found : NULL;
}

static int check_parents(struct mf_entries *entries, const char *path, const struct mf_entry *entry,
                         struct mayfly_error *err)
{
        int is_new;

        for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
                const struct name *parent = add_name(entries, path, (size_t) (slash - path), IMPLICIT_FOLDER, &is_new);
                if (!parent)
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                if (parent->type == LINK)
                        return mf_entry_bad(err, entry,
                                            "lies beyond a symbolic link, which would lead out of its folder");
                if (parent->type == OTHER)
                        return mf_entry_bad(err, entry, "lies beneath something that is not a directory");
        }
        return 0;
}

/* What a hard link becomes. */
static int link_type(const struct mf_entries *entries, const struct mf_entry *entry, const char *target, enum type *ret,
                     struct mayfly_error *err)
{
        const struct name *name = find_name(entries, target);
        if (!name || name->type == FOLDER || name->type == IMPLICIT_FOLDER)
                return mf_entry_bad(err, entry, "is a hard link to something that is not in the archive before it");
        *ret = name->type;
        return 0;
}

static int entry_type(const struct mf_entries *entries, const struct mf_entry *entry, const char *target,
                      enum type *ret, struct mayfly_error *err)
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
        struct mf_place place;
        enum type type = OTHER;
        int is_new;

        int r = mf_entry_place(entry, &place, err);
        const char *path = place.path;
        if (r < 0 || !*path)
                return r;
        r = check_parents(entries, path, entry, err);
        if (r == 0)
                r = entry_type(entries, entry, place.target, &type, err);
        if (r < 0)
                return r;
        struct name *name = add_name(entries, path, strlen(path), type, &is_new);
        if (!name)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (!is_new && (type != FOLDER || name->type != IMPLICIT_FOLDER))
                return mf_entry_bad(err, entry, "is there twice");
        name->type = type;
        mf_parts_note(&entries->parts, path);
        return S_ISREG(entry->mode) && !entry->hardlink && strcmp(path, "manifest") != 0
                       ? read_data(entry, entries->null_fd, err)
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
