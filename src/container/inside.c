/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/inside.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/buffer.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"

struct list {
        struct mf_process *processes;
        size_t n, room;
};

int mf_inside_read(pid_t pid, struct mf_process *ret)
{
        uint64_t user, kernel, users_children, kernels_children, started, resident;
        char path[64], text[1024];
        long parent;

        snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
        text[n] = '\0';
        const char *rest = strrchr(text, ')'); /* the name before it may be anything */
        if (!rest ||
            sscanf(rest,
                   ") %c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                   " %*d %*d %*d %*d %" SCNu64 " %*u %" SCNu64,
                   &ret->state, &parent, &user, &kernel, &users_children, &kernels_children, &started, &resident) != 8)
                return -ESRCH;
        ret->pid = pid;
        ret->parent = (pid_t) parent;
        ret->cpu_us = (user + kernel + users_children + kernels_children) * 1000000 / (uint64_t) sysconf(_SC_CLK_TCK);
        ret->started = started;
        ret->resident = resident * (uint64_t) sysconf(_SC_PAGESIZE);
        return 0;
}

int mf_inside_is_pending(pid_t pid, int signal_number)
{
        char mask[32];

        return mf_process_status(pid, "ShdPnd:", mask, sizeof(mask)) &&
               (strtoull(mask, NULL, 16) >> (signal_number - 1) & 1);
}

static int add(struct list *list, pid_t pid)
{
        struct mf_process process;

        if (mf_inside_read(pid, &process) < 0)
                return 0; /* it has just ended */
        struct mf_process *grown = mf_grow(list->processes, list->n, &list->room, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        list->processes = grown;
        list->processes[list->n++] = process;
        return 0;
}

/* Adds the children that a thread has made. */
static int add_children(struct list *list, pid_t pid, const char *thread)
{
        char path[64 + sizeof(((struct dirent *) 0)->d_name)];
        int r = 0;
        long child;

        snprintf(path, sizeof(path), "/proc/%d/task/%s/children", (int) pid, thread);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        while (r == 0 && f && fscanf(f, "%ld", &child) == 1)
                r = add(list, (pid_t) child);
        return r;
}

/* Adds the children of all threads of a process. */
static int expand(struct list *list, pid_t pid)
{
        char path[64];
        int r = 0;

        snprintf(path, sizeof(path), "/proc/%d/task", (int) pid);
        DIR *dir = opendir(path);
        for (const struct dirent *entry; r == 0 && dir && (entry = readdir(dir));)
                if (entry->d_name[0] != '.')
                        r = add_children(list, pid, entry->d_name);
        if (dir)
                closedir(dir);
        return r;
}

int mf_inside_list(pid_t leader, struct mf_process **ret, size_t *ret_n)
{
        struct list list = { 0 };

        int r = add(&list, leader);
        for (size_t i = 0; r == 0 && i < list.n; i++)
                r = expand(&list, list.processes[i].pid);
        if (r < 0) {
                free(list.processes);
                return r;
        }
        *ret = list.processes;
        *ret_n = list.n;
        return 0;
}

void mf_inside_signal(const struct mf_process *process, int signal_number)
{
        mf_cleanup(mf_closep) int fd = (int) syscall(SYS_pidfd_open, process->pid, 0);
        struct mf_process now;

        /* While the process that the pidfd is of lives, nothing else has its number. */
        if (fd >= 0 && mf_inside_read(process->pid, &now) == 0 && now.parent == process->parent)
                mf_pidfd_signal(fd, signal_number);
}
