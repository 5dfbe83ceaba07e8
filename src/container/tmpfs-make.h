/* SPDX-License-Identifier: MIT */
#ifndef MF_TMPFS_MAKE_H
#define MF_TMPFS_MAKE_H

/* What needs privilege for a tmpfs that containers share. Root's programs call it themselves, mayfly-helper for others. */

#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

struct mf_tmpfs_place {
        int namespace_fd, root; /* the mount namespace that it is in, on MF_TMPFS_PATH, and its root directory */
};

#define MF_TMPFS_PLACE_INIT                    \
        {                                      \
                .namespace_fd = -1, .root = -1 \
        }

/* Moves the calling thread to a new mount namespace and mounts a tmpfs there, of `max_size` bytes (0: the kernel's default), which
 * belongs to `owner`. Returns 0 or negative errno. */
int mf_tmpfs_make(struct mf_tmpfs_place *ret, uint64_t max_size, uid_t owner, struct mayfly_error *err);

/* Does the same with a directory, by its path, in place of a tmpfs. */
int mf_tmpfs_make_on_disk(struct mf_tmpfs_place *ret, const char *directory, struct mayfly_error *err);

/* Gives the open root directory this mode and owner. Returns 0 or negative errno. */
int mf_tmpfs_give(int root, mode_t mode, uid_t uid, gid_t gid);

#endif
