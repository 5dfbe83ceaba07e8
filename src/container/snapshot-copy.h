/* SPDX-License-Identifier: MIT */
#ifndef MF_SNAPSHOT_COPY_H
#define MF_SNAPSHOT_COPY_H

/* What needs privilege for a snapshot. Root's programs call it themselves, mayfly-helper for others. */

#include <stdint.h>

#include <mayfly/error.h>

#include "container/tmpfs-make.h"

/* Moves the calling thread to a new mount namespace, mounts a tmpfs there, and copies into it what a container wrote, from the root
 * directory of its scratch. Owners become what they are in the container, whose IDs are `n_ids` from `ids` on; with 0 they are the
 * host's. Returns 0 or negative errno. */
int mf_snapshot_make(struct mf_tmpfs_place *ret, int scratch, uint32_t ids, uint32_t n_ids, struct mayfly_error *err);

/* snapshot-copy.c: copies the tree `name` of the directory `from` to the directory `to`, with owners, modes, times, links, holes and
 * attributes. Prints the path of what fails to `failed`. Returns 0 or negative errno. */
int mf_snapshot_copy(int from, int to, const char *name, uint32_t ids, uint32_t n_ids, char *failed, size_t size);

#endif
