/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_SPARE_H
#define MF_READY_SPARE_H

#include "ready/start.h"

/* Does what mayfly_container_start() does for a spec with spares: hands one over, or starts the container that `start` has; and sees to it
 * that more are made. `given` is the spec that `start` was prepared from. Returns 0 or negative errno. */
int mf_spares_start(struct mf_start *start, const struct mayfly_spec *given, struct mayfly_container **ret,
                    struct mayfly_error *err);

#endif
