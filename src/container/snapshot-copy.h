/* SPDX-License-Identifier: MIT */
#ifndef MF_SNAPSHOT_COPY_H
#define MF_SNAPSHOT_COPY_H

/* What needs privilege for a snapshot. Root's programs call it themselves, mayfly-helper for others. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <mayfly/error.h>

#include "container/tmpfs-make.h"

/* What a snapshot is made of. */
struct mf_snapshot_source {
        int scratch;         /* root directory of the container's scratch */
        uint32_t ids, n_ids; /* the container's IDs, on the host; ids 0: they are the host's */
        const int *below;    /* root directories of the snapshots that are to be part of it, the lowest first */
        size_t n_below;
};

/* Moves the calling thread to a new mount namespace, mounts a tmpfs there, and copies into it what the snapshots have, and over that what
 * the container wrote. Owners become what they are in the container. Returns 0 or negative errno. */
int mf_snapshot_make(struct mf_tmpfs_place *ret, const struct mf_snapshot_source *source, struct mayfly_error *err);

/* snapshot-copy.c: copies the tree `name` of the directory `from` to the directory `to`, with owners, modes, times, links, holes and
 * attributes. Prints the path of what fails to `failed`. Returns 0 or negative errno. */
int mf_snapshot_copy(int from, int to, const char *name, uint32_t ids, uint32_t n_ids, char *failed, size_t size);
/* The same for a layer of overlayfs, over the layer that `to` has: afterwards that one layer shows what both did. -EXDEV: a directory, or a
 * file with metadata alone, was renamed, which means something only over the layers that it was renamed in. */
int mf_snapshot_merge(int from, int to, const char *name, uint32_t ids, uint32_t n_ids, char *failed, size_t size);

/* snapshot-merge.c: what an entry of the upper layer finds in the lower one. */
enum mf_room {
        MF_ROOM_FREE,      /* nothing, maybe because it was removed */
        MF_ROOM_DIRECTORY, /* a directory that it is to be merged with */
        MF_ROOM_CONTENT,   /* a file whose content it has, with metadata of its own */
        MF_ROOM_NEEDLESS,  /* nothing, and it would only hide something: it is to be left out */
};

/* Makes room for the entry `name` of `from` in `to`, whose own entry it covers. `is_alone`: no layer below shows through there.
 * Returns that, or negative errno. */
int mf_snapshot_make_room(int from, int to, const char *name, const struct stat *st, int is_alone);

#endif
