/* SPDX-License-Identifier: MIT */
#ifndef MF_FS_H
#define MF_FS_H

/* Directory trees. */

#include <stdint.h>

/* Removes the tree `name` in the folder `dirfd`, never following a symlink or leaving the file system. 0 or -errno; a
 * missing tree is success. */
int mf_remove_tree(int dirfd, const char *name);

/* What the tree `name` takes on disk, in bytes; what cannot be looked at, or lies very deep, is left out. */
uint64_t mf_tree_bytes(int dirfd, const char *name);

/* mkdir -p with mode 0700 for what is missing. 0 or -errno. */
int mf_mkdir_p(const char *path);

#endif
