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

/* Reads a file of the process whose directory of /proc is open, such as "cmdline", which has a NUL after each argument. Returns 0, or -ENOMEM;
 * of a process that is gone there is nothing. */
int tool_read_process(int process, const char *name, struct mf_buffer *ret);

#endif
