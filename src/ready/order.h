/* SPDX-License-Identifier: MIT */
#ifndef MF_ORDER_H
#define MF_ORDER_H

/* Which container is started after which. */

#include <mayfly/error.h>
#include <stddef.h>

/* All zero: none. */
struct mf_order {
        const char **names, **after; /* borrowed; each may be NULL; `after` has names with "," between them */
        size_t n, allocated;
};

/* Returns 0 or -ENOMEM. */
int mf_order_add(struct mf_order *order, const char *name, const char *after);
/* Returns -EINVAL with an error when `after` names one that is not there or is there twice, or when they wait for each other. */
int mf_order_check(const struct mf_order *order, struct mayfly_error *err);
/* Whether an `after`, which may be NULL, has the name. */
int mf_after_has(const char *after, const char *name);
/* Whether i is started when j is ready. */
int mf_order_is_after(const struct mf_order *order, size_t i, size_t j);
void mf_order_clear(struct mf_order *order);

#endif
