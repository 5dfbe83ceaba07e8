/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/leader.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/process.h"

/* Whether the process is in the container's cgroup, which mayfly-launch or systemd made: only processes of the
 * container are, and none of them can leave it. */
static int is_in_cgroup(pid_t pid, const char *machine)
{
        mf_cleanup(mf_freep) char *line = NULL;
        size_t allocated = 0;
        char name[80], path[64];

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        int length = snprintf(name, sizeof(name), "/mayfly-%s", machine);
        while (f && getline(&line, &allocated, f) > 0) {
                const char *found = strstr(line, name);
                if (found && strchr("/.\n", found[length]))
                        return 1;
        }
        return 0;
}

/* Whether it is PID 1 of a PID namespace that is not ours. */
static int is_init(pid_t pid)
{
        char numbers[256];

        if (!mf_process_status(pid, "NSpid:", numbers, sizeof(numbers)))
                return 0;
        const char *last = strrchr(numbers, '\t');
        return last && last > numbers && strcmp(last, "\t1") == 0;
}

/* Whether mayfly-launch is its parent. */
static int is_child(pid_t pid, struct mf_engine *engine)
{
        char number[32];

        return mf_process_status(pid, "PPid:", number, sizeof(number)) &&
               engine->type->has_process(engine, (pid_t) strtol(number, NULL, 10));
}

int mf_leader_open(pid_t pid, const char *machine, struct mf_engine *parent, int *ret)
{
        mf_cleanup(mf_closep) int fd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;

        if (pid <= 0)
                return -EPROTO;
        if (fd < 0)
                return -errno;
        int ours = (is_in_cgroup(pid, machine) || (parent && is_child(pid, parent))) && is_init(pid);
        /* While the process that the pidfd is of lives, nothing else has its number: /proc was about it. */
        if (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) != 0)
                return -ESRCH;
        if (!ours)
                return -EPROTO;
        *ret = mf_take_fd(&fd);
        return 0;
}
