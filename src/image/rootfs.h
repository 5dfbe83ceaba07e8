/* SPDX-License-Identifier: MIT */
#ifndef MF_ROOTFS_H
#define MF_ROOTFS_H

/* From a root file system, a folder or a tar, to an archive's entries. A folder's are sorted by the bytes of their
 * names, and none of its links is followed. */

#include "archive/copy.h"

int mf_rootfs_add(struct mf_writer *writer, const char *rootfs, struct mf_rewrite *rewrite, struct mayfly_error *err);

#endif
