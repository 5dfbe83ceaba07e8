/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_PENDING_H
#define MF_READY_PENDING_H

#include <mayfly/pending.h>

#include "ready/start.h"

/* Makes a pending start of `start`, which it takes in any case. When the start is over, and before that can be seen, its thread calls
 * `on_end`, unless that is NULL. Returns 0 or negative errno. */
int mf_pending_make(struct mayfly_pending **ret, struct mf_start *start, void (*on_end)(void),
                    struct mayfly_error *err);
/* Starts its thread. Returns 0 or negative errno; then the start has failed with an error that says so. */
int mf_pending_launch(struct mayfly_pending *pending);
/* Begins to give it up, for mayfly_container_cancel(). */
void mf_pending_abandon(struct mayfly_pending *pending);

#endif
