/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_KEPT_H
#define MF_CLI_KEPT_H

/* The containers that a mayfly-keep owns, in a snapshot of the host: see mayfly_container_keep(3). */

#include <stddef.h>

#include "cli/host-snapshot.h"

struct tool_keeper {
        char machine[65]; /* the container's name */
        int pid;          /* of mayfly-keep */
};

struct tool_kept {
        struct tool_keeper *keepers;
        size_t n, allocated;
        int *pids; /* of mayfly-launch and all that descends from it, and of what waits for it, of all of them */
        size_t n_pids, allocated_pids;
};

/* Finds them. Returns 0 or -ENOMEM; to be cleared in any case. */
int tool_kept_find(struct tool_kept *ret, const struct mf_snapshot *snapshot);
void tool_kept_clear(struct tool_kept *kept);

/* Whether a line of the snapshot is of one of them. */
int tool_kept_has(const struct tool_kept *kept, const char *line);

/* Prints a line for each on standard error. */
void tool_kept_print(const struct tool_kept *kept);

#endif
