/* SPDX-License-Identifier: MIT */
#ifndef MF_ISOLATION_H
#define MF_ISOLATION_H

/* What a container makes of its image's isolators. Only user of libseccomp in the library. */

#include <mayfly/container.h>

#include "model/image-config.h"

/* A copy of the image's list, whose outcomes a container can then change. NULL without memory; never NULL otherwise. */
struct mayfly_isolator **mf_isolators_copy(const struct mf_isolation *isolation);
/* NULL is fine; returns NULL. */
struct mayfly_isolator **mf_isolators_free(struct mayfly_isolator **list);

/* Another outcome for the isolator NAME, if there is one, and words after what was said of it. 0 or -ENOMEM. */
int mf_isolators_note(struct mayfly_isolator **list, const char *name, enum mayfly_isolator_outcome outcome,
                      const char *detail);

/* The app's system call filter as BPF in a memfd, or -1 in *ret when it wants none. Names that the kernel's interface
 * does not have are noted. */
int mf_syscalls_compile(const struct mf_isolation *isolation, struct mayfly_isolator **list, int *ret,
                        struct mayfly_error *err);

#endif
