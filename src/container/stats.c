/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "container/cgroup.h"
#include "container/container.h"
#include "container/inside.h"
#include "container/life.h"
#include "protocol/usage.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"

/* What a container uses, and how much it may. */

_Static_assert(MAYFLY_UNKNOWN == MF_USAGE_UNKNOWN, "both say the same");

static void describe_end(const struct mayfly_container *container, struct mayfly_stats *ret)
{
        const struct mf_reports *reports = &container->reports;

        if (reports->app != MF_APP_ENDED)
                return;
        if (reports->app_end.si_code == CLD_EXITED) {
                ret->reason = MAYFLY_END_EXIT;
                ret->status = reports->app_end.si_status;
                return;
        }
        ret->reason = mf_reports_have_oom(reports) ? MAYFLY_END_OOM : MAYFLY_END_SIGNAL;
        ret->signal_number = reports->app_end.si_status;
}

/* Adds up what /proc says of the processes inside, for what the cgroup does not tell. */
static void ask_processes(const struct mayfly_container *container, struct mayfly_stats *ret)
{
        mf_cleanup(mf_freep) struct mf_process *processes = NULL;
        uint64_t cpu_us = 0, resident = 0;
        size_t n = 0;

        if (mf_inside_list(container->leader, &processes, &n) < 0)
                return;
        for (size_t i = 0; i < n; i++) {
                cpu_us += processes[i].cpu_us;
                resident += processes[i].resident;
        }
        ret->processes = n > 0 ? n - 1 : 0;
        if (ret->cpu_us == MAYFLY_UNKNOWN)
                ret->cpu_us = cpu_us;
        if (ret->memory == MAYFLY_UNKNOWN)
                ret->memory = resident;
}

static uint64_t number_of(int inside, int whole, const char *file)
{
        uint64_t number = mf_cgroup_number(inside, file, NULL);

        return number != MF_USAGE_UNKNOWN ? number : mf_cgroup_number(whole, file, NULL);
}

/* The memory controller may reach only to the cgroup that has the limit. */
static void ask_running(const struct mayfly_container *container, struct mayfly_stats *ret)
{
        mf_cleanup(mf_closep) int inside = mf_cgroup_open(container, NULL, MF_CGROUP_INSIDE);
        mf_cleanup(mf_closep) int whole = mf_cgroup_open(container, NULL, MF_CGROUP_WHOLE);

        ret->memory = number_of(inside, whole, "memory.current");
        ret->memory_peak = number_of(inside, whole, "memory.peak");
        ret->cpu_us = mf_cgroup_number(inside, "cpu.stat", "usage_usec");
        ret->oom_kills = mf_cgroup_number(inside, "memory.events", "oom_kill");
        if (ret->oom_kills == MAYFLY_UNKNOWN)
                ret->oom_kills = mf_cgroup_number(whole, "memory.events", "oom_kill");
        ask_processes(container, ret);
}

MF_EXPORT int mayfly_container_stats(struct mayfly_container *container, struct mayfly_stats *ret,
                                     struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the stats to fill", "MAYFLY_STATS_INIT", struct mayfly_stats, oom_kills);
        struct mayfly_stats all = { .memory_peak = MAYFLY_UNKNOWN,
                                    .cpu_us = MAYFLY_UNKNOWN,
                                    .oom_kills = MAYFLY_UNKNOWN };

        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_stats() needs a container and a place for its result");
        int r = mf_result_check(ret, &kind, err);
        if (r == 0)
                r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        int runs = mf_container_check_runs(container, "asking for its state", NULL) == 0;
        all.state = !runs                               ? MAYFLY_STATE_ENDED
                    : mf_container_is_paused(container) ? MAYFLY_STATE_PAUSED
                                                        : MAYFLY_STATE_RUNNING;
        describe_end(container, &all);
        if (runs) {
                ask_running(container, &all);
        } else if (container->reports.has_usage) {
                all.memory_peak = container->reports.usage.memory_peak;
                all.cpu_us = container->reports.usage.cpu_us;
                all.oom_kills = container->reports.usage.oom_kills;
        }
        mf_result_give(ret, &all, &kind);
        return 0;
}

/* Of the container that was looked at last. */
static _Atomic uint64_t last_peak;

void mf_peak_note(struct mayfly_container *container)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;

        if (mayfly_container_stats(container, &stats, NULL) < 0)
                return;
        const uint64_t peak = stats.memory_peak != MAYFLY_UNKNOWN ? stats.memory_peak : stats.memory;
        if (peak != MAYFLY_UNKNOWN)
                last_peak = peak;
}

uint64_t mf_peak_last(void)
{
        return last_peak;
}

/* --- limits ----------------------------------------------------------------------------------------------------- */

/* A limit in words of the kernel: its file in cgroup2 and in cgroup v1, and what it is to be. */
struct limit {
        const char *controller, *file, *old_file;
        uint64_t value, unlimited;
};

static int refuse(const struct limit *limit, struct mayfly_error *err)
{
        return mf_error(err, -ENOTSUP, MAYFLY_STAGE_EXEC,
                        "%s = %" PRIu64 ": there is no \"%s\" controller for the container's cgroup (see "
                        "/sys/fs/cgroup/cgroup.controllers); boot with one cgroup2 hierarchy, and run the test in a "
                        "cgroup of the "
                        "user's (systemd-run --user --scope -p Delegate=yes COMMAND) or with the engine \"systemd\"",
                        limit->file, limit->value, limit->controller);
}

/* Sees whether systemd has set the limit: it says nothing where the kernel has no such controller. */
static int check(const struct mayfly_container *container, const struct limit *limit, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int whole = mf_cgroup_open(container, NULL, MF_CGROUP_WHOLE);
        mf_cleanup(mf_closep) int old = mf_cgroup_open(container, limit->controller, MF_CGROUP_WHOLE);

        if (!limit->value || limit->value == limit->unlimited)
                return 0;
        uint64_t there = mf_cgroup_number(whole, limit->file, NULL);
        if (there == MF_USAGE_UNKNOWN)
                there = mf_cgroup_number(old, limit->old_file, NULL);
        return there <= limit->value ? 0 : refuse(limit, err);
}

/* Writes the limit. Returns 0 or an error. */
static int set(const struct mayfly_container *container, const struct limit *limit, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int whole = mf_cgroup_open(container, NULL, MF_CGROUP_WHOLE);
        char number[32] = "max";

        if (!limit->value)
                return 0;
        if (limit->value != limit->unlimited)
                snprintf(number, sizeof(number), "%" PRIu64, limit->value);
        int r = whole < 0 ? -ENOENT : mf_cgroup_write(whole, limit->file, number);
        if (r == -ENOENT)
                return limit->value == limit->unlimited ? 0 : refuse(limit, err);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "%s = %s", limit->file, number) : 0;
}

/* Lets the engine set both, or sets them here, memory without swap: a limit that the host's swap space makes larger is none. */
static int set_all(struct mayfly_container *container, const struct limit *memory, const struct limit *tasks,
                   struct mayfly_error *err)
{
        if (container->engine->type->set_limits) {
                int r = container->engine->type->set_limits(container->engine, memory->value, tasks->value, err);
                if (r == 0)
                        r = check(container, memory, err);
                return r == 0 ? check(container, tasks, err) : r;
        }
        int r = set(container, memory, err);
        if (r == 0 && memory->value) {
                mf_cleanup(mf_closep) int whole = mf_cgroup_open(container, NULL, MF_CGROUP_WHOLE);
                (void) mf_cgroup_write(whole, "memory.swap.max", memory->value == memory->unlimited ? "max" : "0");
        }
        return r == 0 ? set(container, tasks, err) : r;
}

MF_EXPORT int mayfly_container_set_limits(struct mayfly_container *container, const struct mayfly_limits *given,
                                          struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the limits", "MAYFLY_LIMITS_INIT", struct mayfly_limits, tasks_max);
        struct mayfly_limits limits = MAYFLY_LIMITS_INIT;

        if (!container || !given)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_set_limits() needs a container and limits");
        int r = mf_options_take(&limits, given, &kind, err);
        if (r == 0)
                r = mf_container_check_owner(container, err);
        if (r == 0)
                r = mf_container_check_runs(container, "changing limits", err);
        if (r < 0 || (!limits.memory_max && !limits.tasks_max))
                return r;
        const struct limit memory = { "memory", "memory.max", "memory.limit_in_bytes", limits.memory_max,
                                      MAYFLY_MEMORY_UNLIMITED };
        const struct limit tasks = { "pids", "pids.max", "pids.max",
                                     limits.tasks_max == MAYFLY_TASKS_UNLIMITED ? UINT64_MAX : limits.tasks_max,
                                     UINT64_MAX };
        return set_all(container, &memory, &tasks, err);
}
