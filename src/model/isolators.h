/* SPDX-License-Identifier: MIT */
#ifndef MF_ISOLATORS_H
#define MF_ISOLATORS_H

/* The isolators of an image: what kind each is, whatever the image's format calls it, and what becomes of it. */

#include <stddef.h>

#include <mayfly/image.h>

enum mf_isolator_kind {
        MF_ISOLATOR_UNKNOWN = 0, /* mayfly does not know it: only its name can be reported */
        MF_ISOLATOR_CAPABILITIES_REMOVE,
        MF_ISOLATOR_CAPABILITIES_RETAIN,
        MF_ISOLATOR_CPU_SHARES,
        MF_ISOLATOR_NO_NEW_PRIVS,
        MF_ISOLATOR_OOM_SCORE_ADJ,
        MF_ISOLATOR_SYSCALLS_REMOVE,
        MF_ISOLATOR_SYSCALLS_RETAIN,
        MF_ISOLATOR_SELINUX_CONTEXT,
        MF_ISOLATOR_SYSCTL,
        MF_ISOLATOR_BLOCK_BANDWIDTH,
        MF_ISOLATOR_BLOCK_IOPS,
        MF_ISOLATOR_CPU,
        MF_ISOLATOR_MEMORY,
        MF_ISOLATOR_NETWORK_BANDWIDTH
};

/* A list of them. Start from zeros. */
struct mf_isolators {
        struct mayfly_isolator **list; /* NULL-terminated, in the image's order; NULL without any */
        size_t n, allocated;
};

/* Adds one, with copies of the strings: `name` is as the image's format has it, `detail` may be NULL. 0 or -ENOMEM. */
int mf_isolators_add(struct mf_isolators *isolators, enum mf_isolator_kind kind, const char *name,
                     enum mayfly_isolator_outcome outcome, const char *detail);
/* Whether there is one of that kind. */
int mf_isolators_has(const struct mf_isolators *isolators, enum mf_isolator_kind kind);
/* A copy whose outcomes can be changed. `ret` is set on success only. 0 or -ENOMEM. */
int mf_isolators_copy(const struct mf_isolators *isolators, struct mf_isolators *ret);
/* Changes the outcome of those of that kind, and adds `detail` to what is said of them. 0 or -ENOMEM. */
int mf_isolators_note(struct mf_isolators *isolators, enum mf_isolator_kind kind, enum mayfly_isolator_outcome outcome,
                      const char *detail);
/* For the public functions: the list, never NULL; borrowed. */
const struct mayfly_isolator *const *mf_isolators_list(const struct mf_isolators *isolators);
/* Frees what the list has; it is empty then. */
void mf_isolators_clear(struct mf_isolators *isolators);

#endif
