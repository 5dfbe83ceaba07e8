/* SPDX-License-Identifier: MIT */
#ifndef MF_TMPFS_H
#define MF_TMPFS_H

#include <mayfly/container.h>

/* The mount namespace that it is in, on MF_TMPFS_PATH; borrowed. */
int mf_tmpfs_namespace(const struct mayfly_tmpfs *tmpfs);

/* Gives its root directory this mode and owner. Returns 0 or -errno. */
int mf_tmpfs_own(const struct mayfly_tmpfs *tmpfs, mode_t mode, uid_t uid, gid_t gid);

#endif
