/* SPDX-License-Identifier: MIT */
#ifndef MF_TMPFS_H
#define MF_TMPFS_H

#include <mayfly/container.h>

#include "util/id-range.h"

/* The mount namespace that it is in, on MF_TMPFS_PATH; borrowed. */
int mf_tmpfs_namespace(const struct mayfly_tmpfs *tmpfs);

/* The IDs of all containers that may use it, or NULL when each container sees it with its own. Borrowed. */
const struct mf_id_range *mf_tmpfs_ids(const struct mayfly_tmpfs *tmpfs);

/* What keeps its directory on disk while somebody has a copy of it, or -1 when it is in memory; borrowed. */
int mf_tmpfs_lock(const struct mayfly_tmpfs *tmpfs);

/* Keeps it beyond the caller's handle, and lets it go. NULL is fine. */
void mf_tmpfs_hold(const struct mayfly_tmpfs *tmpfs);
void mf_tmpfs_release(const struct mayfly_tmpfs *tmpfs);

/* Gives its root directory this mode and owner. Returns 0 or -errno. */
int mf_tmpfs_own(const struct mayfly_tmpfs *tmpfs, mode_t mode, uid_t uid, gid_t gid);

#endif
