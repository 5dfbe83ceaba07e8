/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_LIFE_CALLS_H
#define MF_CONTAINER_LIFE_CALLS_H

/* The functions of a spec that are called at a time of the container's life. Each returns 0, or negative errno with an error that says
 * which of them failed. */

#include <mayfly/container.h>

int mf_call_before_start(struct mayfly_container *container, struct mayfly_error *err);
int mf_call_on_ready(struct mayfly_container *container, struct mayfly_error *err);
/* Does so once for each mf_call_on_ready() that succeeded, unless the container has ended by itself. A paused one is resumed. */
int mf_call_before_stop(struct mayfly_container *container, struct mayfly_error *err);
/* What an end returns whose own result is `r`, and whose mf_call_before_stop() returned `called` with the error `why`. */
int mf_call_result(int r, int called, const struct mayfly_error *why, struct mayfly_error *err);

#endif
