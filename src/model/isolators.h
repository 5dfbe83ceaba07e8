/* SPDX-License-Identifier: MIT */
#ifndef MF_ISOLATORS_H
#define MF_ISOLATORS_H

/* The isolators of an image, with their kinds and outcomes, whatever the image's format calls them. */

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

/* A list of isolators. Start from zeros. */
struct mf_isolators {
        struct mayfly_isolator **list; /* NULL-terminated, in the image's order; NULL when empty */
        size_t n, allocated;
};

/* Adds an isolator, with copies of the strings. `name` is the name in the image, `detail` may be NULL. Returns 0 or
 * -ENOMEM. */
int mf_isolators_add(struct mf_isolators *isolators, enum mf_isolator_kind kind, const char *name,
                     enum mayfly_isolator_outcome outcome, const char *detail);
/* Whether the list has an isolator of that kind. */
int mf_isolators_has(const struct mf_isolators *isolators, enum mf_isolator_kind kind);
/* Copies the list, so that outcomes can be changed. *ret is set on success only. Returns 0 or -ENOMEM. */
int mf_isolators_copy(const struct mf_isolators *isolators, struct mf_isolators *ret);
/* Changes the outcome of all isolators of that kind, and appends `detail` to their details. Returns 0 or -ENOMEM. */
int mf_isolators_note(struct mf_isolators *isolators, enum mf_isolator_kind kind, enum mayfly_isolator_outcome outcome,
                      const char *detail);
/* Returns the list for the public functions: borrowed, never NULL. */
const struct mayfly_isolator *const *mf_isolators_list(const struct mf_isolators *isolators);
/* Empties the list, and frees its isolators. */
void mf_isolators_clear(struct mf_isolators *isolators);

#endif
