/* SPDX-License-Identifier: MIT */
#ifndef MF_KERNEL_FS_H
#define MF_KERNEL_FS_H

/* Whether the file is in a file system that the kernel makes up, such as /proc: nothing can be put there, and a copy of the whole
 * has no meaning. Returns the type's name, or NULL for any other. */
const char *mf_kernel_fs(int fd);

#endif
