/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_RUNNING_H
#define MF_CLI_RUNNING_H

/* The containers that run now, of all users. Nothing is written down about a container that is not shared: its supervisor has the name of
 * the machine and the labels in its arguments. */

#include <stddef.h>
#include <sys/types.h>

#include "util/buffer.h"

struct tool_running {
        char *machine, **labels;
        long pid; /* of mayfly-launch */
        uid_t uid;
};

struct tool_running_list {
        struct tool_running *entries;
        size_t n, allocated;
        unsigned namespaces; /* as mf_process_namespaces() counts them, of this process */
};

/* Lists them by their names. Returns 0 or negative errno. */
int tool_list_running(struct tool_running_list *ret);
void tool_running_list_clear(struct tool_running_list *list);

/* Reads the arguments of the process whose directory of /proc is open, with a NUL after each. Returns 0, or -ENOMEM; a process that is gone
 * has none. */
int tool_read_arguments(int process, struct mf_buffer *ret);

#endif
