/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_SYSTEM_H
#define MF_READY_SYSTEM_H

#include <mayfly/container.h>

/* Asks systemd in the container, which has said that it is ready, whether all units were started. Returns 0, or an error that
 * names the units that have failed, with the end of their journal. */
int mf_system_check(struct mayfly_container *container, struct mayfly_error *err);

#endif
