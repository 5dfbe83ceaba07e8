/* SPDX-License-Identifier: MIT */
#ifndef MF_ENTRIES_H
#define MF_ENTRIES_H

/* The rules for an ACI's entries (appc specification, "Image Archives"), apart from any file system: store/unpack.c
 * writes entries that keep them, and an archive can be checked against all of them without being unpacked. */

#include <limits.h>

#include "archive/read.h"

#define MF_MANIFEST_MAX (1U << 20)

/* Where an entry belongs, by normalized names. */
struct mf_place {
        char path[PATH_MAX]; /* "manifest", "rootfs", something below that, or empty: the root of the archive itself */
        char target[PATH_MAX]; /* what a hard link links to, below rootfs; empty for all else */
};

/* Fills *ret. -EBADMSG when an ACI may not have such an entry. */
int mf_entry_place(const struct mf_entry *entry, struct mf_place *ret, struct mayfly_error *err);

/* Which of its two parts an archive has had so far. */
struct mf_parts {
        int manifest, rootfs;
};

void mf_parts_note(struct mf_parts *parts, const char *path); /* an entry's, from mf_entry_place() */
/* After the last entry: -EBADMSG when a part is missing. */
int mf_parts_check(const struct mf_parts *parts, struct mayfly_error *err);

/* All of an archive's entries, by name. */
struct mf_entries;

struct mf_entries *mf_entries_new(void); /* NULL: out of memory */
/* Checks the entry, also against those before it, and reads its data. What store/unpack.c cannot write is refused. */
int mf_entries_add(struct mf_entries *entries, const struct mf_entry *entry, struct mayfly_error *err);
/* After the last one: whether there was all that must be. */
int mf_entries_finish(const struct mf_entries *entries, struct mayfly_error *err);
/* What is valid but doubtful, a line each, NULL-terminated; NULL when there is nothing. It is the caller's then. */
char **mf_entries_take_warnings(struct mf_entries *entries);
struct mf_entries *mf_entries_free(struct mf_entries *entries);

#endif
