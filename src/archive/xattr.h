/* SPDX-License-Identifier: MIT */
#ifndef MF_XATTR_H
#define MF_XATTR_H

/* Returns 1 when an image keeps the extended attribute `name` of its files, else 0. The others are made from modes
 * (ACLs), belong to the machine that packed the image (SELinux), or to overlayfs. */
int mf_xattr_is_kept(const char *name);

#endif
