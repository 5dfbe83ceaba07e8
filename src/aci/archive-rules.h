/* SPDX-License-Identifier: MIT */
#ifndef MF_ENTRIES_H
#define MF_ENTRIES_H

/* The rules for an ACI's entries (appc specification, "Image Archives"), apart from any file system: layer.c writes
 * entries that keep them, and an archive can be checked against all of them without being unpacked. */

#include <limits.h>

#include "archive/read.h"

#define MF_MANIFEST_MAX (1U << 20)

/* The error -EBADMSG `archive entry "NAME" WHY`. */
int mf_entry_bad(struct mayfly_error *err, const struct mf_entry *entry, const char *why);

/* Such an entry, and what is below it, could not be told from not being there. */
#define MF_ENTRY_IS_WHITEOUT                                                                                       \
        "is the character device 0:0, which overlayfs takes for a file's absence: a container could not show it; " \
        "leave it out of the image"

/* "./a//b/" becomes "a/b". NULL in *ret_why, or what is wrong with the name. */
void mf_entry_normalize(const char *name, char ret[PATH_MAX], const char **ret_why);

/* The entry's normalized name: "manifest", "rootfs", something below that, or empty for the root of the archive itself,
 * which is nothing. -EBADMSG for any other, or when it is not what it must be. */
int mf_entry_path(const struct mf_entry *entry, char ret[PATH_MAX], struct mayfly_error *err);

/* The data of an entry of at most MF_MANIFEST_MAX bytes; *ret is allocated, and NUL-terminated. */
int mf_entry_text(const struct mf_entry *entry, char **ret, struct mayfly_error *err);

/* All of an archive's entries, by name. */
struct mf_entries;

struct mf_entries *mf_entries_new(void); /* NULL: out of memory */
/* Checks the entry, also against those before it, and reads its data. What layer.c cannot write is refused. */
int mf_entries_add(struct mf_entries *entries, const struct mf_entry *entry, struct mayfly_error *err);
/* After the last one: whether there was all that must be. */
int mf_entries_finish(const struct mf_entries *entries, struct mayfly_error *err);
struct mf_entries *mf_entries_free(struct mf_entries *entries);

#endif
