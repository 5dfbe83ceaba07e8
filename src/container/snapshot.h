/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_SNAPSHOT_H
#define MF_CONTAINER_SNAPSHOT_H

#include <mayfly/container.h>
#include <mayfly/snapshot.h>
#include <stddef.h>

#include "protocol/message.h"

/* Takes another reference to a snapshot, which mayfly_snapshot_free() gives back. NULL is fine. */
struct mayfly_snapshot *mf_snapshot_hold(const struct mayfly_snapshot *snapshot);

/* Checks that the container's image is the one that its snapshot is of. Returns 0 or negative errno. */
int mf_snapshot_check(const struct mayfly_container *container, struct mayfly_error *err);

/* The mount namespaces of a snapshot and of those below it, the lowest first, borrowed. NULL has none. Returns how many. */
size_t mf_snapshot_namespaces(const struct mayfly_snapshot *snapshot, int ret[MF_SNAPSHOTS_MAX]);

/* Checks that the container has a snapshot to go back to. Returns 0 or negative errno. */
int mf_container_check_reset(const struct mayfly_container *container, struct mayfly_error *err);
/* Makes ready for mf_container_boot() such a container, which is to be as its snapshot is. Returns 0 or negative errno. */
int mf_container_reset(struct mayfly_container *container, struct mayfly_error *err);

#endif
