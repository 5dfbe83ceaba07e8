/* SPDX-License-Identifier: MIT */
#ifndef MF_FLATTEN_H
#define MF_FLATTEN_H

/* Several layers as one tar: what is to be seen of them when each lies over those before it. The tars stay where they are, and are read twice:
 * first all names, then what is to be seen, sorted by name. Memory grows with the number of entries, not with their data. */

#include <stdatomic.h>
#include <stdint.h>

#include "archive/entry.h"
#include "archive/write.h"

struct mf_flat;

/* What an entry of a tar means. */
struct mf_flat_place {
        int is_gone;           /* what lower layers have at the path is not to be seen */
        int is_opaque;         /* what lower layers have in the directory at the path is not to be seen */
        int is_ignored;        /* the entry means nothing */
        char path[PATH_MAX];   /* "rootfs", or below it */
        char target[PATH_MAX]; /* of a hard link; else empty */
};

/* Says what an entry means; it may read the entry's data. Returns 0 or negative errno with a message. */
typedef int mf_flat_rule(void *userdata, const struct mf_entry *entry, struct mf_flat_place *ret,
                         struct mayfly_error *err);

/* Directories that no layer has an entry for are counted in *entries, which the caller counts entries in; more than `max_entries` are
 * refused, and paths of such directories that have more than MF_LISTED_MAX bytes. Returns NULL when memory is short. */
struct mf_flat *mf_flat_new(atomic_uint_least64_t *entries, uint64_t max_entries);
/* NULL is fine; returns NULL. */
struct mf_flat *mf_flat_free(struct mf_flat *flat);

/* Adds the tar that the regular file `fd` has from its begin on, over all others. The caller keeps it open while `flat` is used. Returns 0 or
 * negative errno. */
int mf_flat_add(struct mf_flat *flat, int fd, mf_flat_rule *rule, void *userdata, struct mayfly_error *err);

/* Reads a regular file that is to be seen, of up to `max` bytes. *ret is allocated. Returns 0, -ENOENT without an error when there is no such
 * file, or another negative errno. */
int mf_flat_text(struct mf_flat *flat, const char *path, size_t max, char **ret, struct mayfly_error *err);

/* Makes a directory, and those above it, where nothing is to be seen. Below anything that is no directory none is made. Returns 0 or
 * negative errno. */
int mf_flat_make_directory(struct mf_flat *flat, const char *path, struct mayfly_error *err);

/* Writes what is to be seen. Returns 0 or negative errno. */
int mf_flat_write(struct mf_flat *flat, struct mf_writer *writer, struct mayfly_error *err);

#endif
