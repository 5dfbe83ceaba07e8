/* SPDX-License-Identifier: MIT */
#ifndef MF_INSIDE_H
#define MF_INSIDE_H

/* The processes of a container, as /proc of the host shows them: for hosts and users without a cgroup that would say it. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct mf_process {
        pid_t pid, parent;
        char state;        /* as in proc_pid_stat(5) */
        uint64_t cpu_us;   /* with that of children it has waited for */
        uint64_t resident; /* bytes */
        uint64_t started;  /* clock ticks since the boot */
};

/* Reads what /proc says of a process. Returns 0, or -ESRCH when there is no such process. */
int mf_inside_read(pid_t pid, struct mf_process *ret);

/* Whether a signal has been sent to the process, and it has not acted on it yet. */
int mf_inside_is_pending(pid_t pid, int signal_number);

/* Lists a container's PID 1, first, and all that descends from it. *ret is to be freed. A process that comes or goes meanwhile may be
 * missing. Returns 0 or negative errno. */
int mf_inside_list(pid_t leader, struct mf_process **ret, size_t *ret_n);

/* Sends a signal to a process of such a list, unless another one has its number by now. */
void mf_inside_signal(const struct mf_process *process, int signal_number);

#endif
