/* SPDX-License-Identifier: MIT */
#include "cli/kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"
#include "util/macro.h"

/* A process of the snapshot. */
struct process {
        int pid, parent;
        const char *words; /* its command line, and its cgroup */
};

/* Returns whether the line is of a process. */
static int read_process(const char *line, struct process *ret)
{
        int length = 0;

        if (strncmp(line, "process\t", strlen("process\t")) != 0)
                return 0;
        const char *description = mf_snapshot_description(line);
        if (sscanf(description, "%d (parent %d, state %*c) %n", &ret->pid, &ret->parent, &length) != 2 || length == 0)
                return 0;
        ret->words = description + length;
        return 1;
}

static int add_pid(struct tool_kept *kept, int pid)
{
        int *grown = mf_grow(kept->pids, kept->n_pids, &kept->allocated_pids, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        kept->pids = grown;
        kept->pids[kept->n_pids++] = pid;
        return 0;
}

static int has_pid(const struct tool_kept *kept, int pid)
{
        for (size_t i = 0; i < kept->n_pids; i++)
                if (kept->pids[i] == pid)
                        return 1;
        return 0;
}

/* Whether the text has the name of a kept container. */
static int has_name(const struct tool_kept *kept, const char *text)
{
        for (size_t i = 0; i < kept->n; i++)
                if (strstr(text, kept->keepers[i].machine))
                        return 1;
        return 0;
}

static int add_keeper(struct tool_kept *kept, const struct process *process)
{
        struct tool_keeper keeper = { .pid = process->pid };
        const char *program = strstr(process->words, "/mayfly-keep --machine ");

        /* It is the program, and no argument of another. */
        if (!program || program > process->words + strcspn(process->words, " ") ||
            sscanf(program, "/mayfly-keep --machine %64s", keeper.machine) != 1)
                return 0;
        struct tool_keeper *grown = mf_grow(kept->keepers, kept->n, &kept->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        kept->keepers = grown;
        kept->keepers[kept->n++] = keeper;
        return 0;
}

/* The processes of a snapshot. */
struct processes {
        struct process *list;
        size_t n;
};

/* Adds the processes that have the name, and all that descends from them. Returns how many, or -ENOMEM. */
static int add_processes(struct tool_kept *kept, const struct processes *all)
{
        int n = 0;

        for (size_t i = 0; i < all->n; i++) {
                const struct process *process = &all->list[i];
                if (has_pid(kept, process->pid) || (!has_pid(kept, process->parent) && !has_name(kept, process->words)))
                        continue;
                if (add_pid(kept, process->pid) < 0)
                        return -ENOMEM;
                n++;
        }
        return n;
}

/* Adds the parents of those that have the name, but not what else descends from them: where PID 1 does not reap, a process waits for each
 * mayfly-launch and mayfly-keep; elsewhere they are children of PID 1, as others are. Returns 0 or -ENOMEM. */
static int add_parents(struct tool_kept *kept, const struct processes *all)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < all->n; i++) {
                const struct process *process = &all->list[i];
                if (has_name(kept, process->words) && !has_pid(kept, process->parent))
                        r = add_pid(kept, process->parent);
        }
        return r;
}

int tool_kept_find(struct tool_kept *ret, const struct mf_snapshot *snapshot)
{
        mf_cleanup(mf_freep) struct process *list = calloc(snapshot->n + 1, sizeof(*list));
        struct processes all = { .list = list };
        int r = list ? 0 : -ENOMEM;

        *ret = (struct tool_kept){ 0 };
        for (size_t i = 0; r == 0 && i < snapshot->n; i++)
                if (read_process(snapshot->lines[i], &list[all.n]))
                        r = add_keeper(ret, &list[all.n++]);
        if (r < 0 || ret->n == 0)
                return r;
        while ((r = add_processes(ret, &all)) > 0)
                ;
        return r < 0 ? r : add_parents(ret, &all);
}

void tool_kept_clear(struct tool_kept *kept)
{
        free(kept->keepers);
        free(kept->pids);
        *kept = (struct tool_kept){ 0 };
}

int tool_kept_has(const struct tool_kept *kept, const char *line)
{
        const char *description = mf_snapshot_description(line), *of;
        struct process process;
        int pid;

        if (kept->n == 0)
                return 0;
        if (has_name(kept, line) || (read_process(line, &process) && has_pid(kept, process.pid)))
                return 1;
        of = strstr(description, "process "); /* a namespace, which is named after a process in it */
        return of && sscanf(of, "process %d (", &pid) == 1 && has_pid(kept, pid);
}

void tool_kept_print(const struct tool_kept *kept)
{
        for (size_t i = 0; i < kept->n; i++)
                fprintf(stderr,
                        "mayfly: container %s is kept by process %d (mayfly-keep), and does not count; remove it with: "
                        "mayfly stop %s\n",
                        kept->keepers[i].machine, kept->keepers[i].pid, kept->keepers[i].machine);
}
