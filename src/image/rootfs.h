/* SPDX-License-Identifier: MIT */
#ifndef MF_ROOTFS_H
#define MF_ROOTFS_H

/* Writes a root file system, which is a directory or a tar archive, into an image's archive. */

#include "archive/copy.h"

/* Writes all of it below "rootfs". The entries of a directory are sorted by the bytes of their names; no symbolic link in it is
 * followed. Returns 0 or negative errno. */
int mf_rootfs_add(struct mf_writer *writer, const char *rootfs, struct mf_rewrite *rewrite, struct mayfly_error *err);

#endif
