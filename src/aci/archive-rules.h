/* SPDX-License-Identifier: MIT */
#ifndef MF_ARCHIVE_RULES_H
#define MF_ARCHIVE_RULES_H

/* The rules for the entries of an ACI (appc specification, "Image Archives"). They need no file system: an archive can be
 * checked without being unpacked. store/unpack.c writes only entries that keep these rules. */

#include <limits.h>

#include "archive/read.h"

#define MF_MANIFEST_MAX (1U << 20)

/* The normalized names of an entry. */
struct mf_place {
        char path[PATH_MAX]; /* "manifest", "rootfs", a path below "rootfs", or empty: the root of the archive itself */
        char target[PATH_MAX]; /* the target of a hard link, below rootfs; empty for other entries */
};

/* Fills *ret. Returns 0, or -EBADMSG when an ACI may not have such an entry. */
int mf_entry_place(const struct mf_entry *entry, struct mf_place *ret, struct mayfly_error *err);

/* Which of the two parts of an ACI were seen so far. */
struct mf_parts {
        int manifest, rootfs;
};

/* Notes the part that an entry belongs to. `path` is from mf_entry_place(). */
void mf_parts_note(struct mf_parts *parts, const char *path);
/* To be called after the last entry. Returns 0, or -EBADMSG when a part is missing. */
int mf_parts_check(const struct mf_parts *parts, struct mayfly_error *err);

/* The check of a whole archive: it remembers the names of all entries. */
struct mf_archive_rules;

struct mf_archive_rules *mf_archive_rules_new(void); /* returns NULL when memory is short */
/* Checks the entry by itself and against the entries before it, and reads its data. Refuses what store/unpack.c cannot
 * write. Returns 0 or negative errno. */
int mf_archive_rules_add(struct mf_archive_rules *rules, const struct mf_entry *entry, struct mayfly_error *err);
/* To be called after the last entry. Returns 0, or -EBADMSG when a required entry is missing. */
int mf_archive_rules_finish(const struct mf_archive_rules *rules, struct mayfly_error *err);
/* Returns the warnings of valid but doubtful entries, a line each, NULL-terminated, and hands them over to the caller; NULL
 * when there are none. */
char **mf_archive_rules_take_warnings(struct mf_archive_rules *rules);
struct mf_archive_rules *mf_archive_rules_free(struct mf_archive_rules *rules);

#endif
