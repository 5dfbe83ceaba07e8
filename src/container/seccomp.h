/* SPDX-License-Identifier: MIT */
#ifndef MF_ISOLATION_H
#define MF_ISOLATION_H

/* The app's system call filter. Only user of libseccomp in the library. */

#include <mayfly/container.h>

#include "model/image-config.h"

/* The app's system call filter as BPF in a memfd, or -1 in *ret when it wants none. Names that the kernel's interface
 * does not have are noted. */
int mf_syscalls_compile(const struct mf_isolation *isolation, struct mf_isolators *isolators, int *ret,
                        struct mayfly_error *err);

#endif
