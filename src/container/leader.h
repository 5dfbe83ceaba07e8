/* SPDX-License-Identifier: MIT */
#ifndef MF_LEADER_H
#define MF_LEADER_H

#include <sys/types.h>

/* Opens a pidfd of the container's PID 1, after proof that `pid` is that: a number in a message may belong to another
 * process by the time it is read. Returns 0, -ESRCH when the process has ended, -EPROTO when it is none of this
 * container's, or another negative errno. */
int mf_leader_open(pid_t pid, const char *machine, int *ret);

#endif
