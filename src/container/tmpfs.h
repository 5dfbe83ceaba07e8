/* SPDX-License-Identifier: MIT */
#ifndef MF_TMPFS_H
#define MF_TMPFS_H

#include <mayfly/container.h>

/* The mount namespace that it is in, on MF_TMPFS_PATH; borrowed. */
int mf_tmpfs_namespace(const struct mayfly_tmpfs *tmpfs);

#endif
