/* SPDX-License-Identifier: MIT */
#ifndef MF_LEADER_H
#define MF_LEADER_H

#include <sys/types.h>

#include "engine/engine.h"

/* Opens a pidfd of the container's PID 1, after proof that `pid` is that: a number in a message may belong to another
 * process by the time it is read. PID 1 is in the container's cgroup or, with an engine as `parent`, a child of its
 * mayfly-launch: the container of an ordinary user may have no cgroup. Returns 0, -ESRCH when the process has ended, -EPROTO when it is none of this
 * container's, or another negative errno. */
int mf_leader_open(pid_t pid, const char *machine, struct mf_engine *parent, int *ret);

#endif
