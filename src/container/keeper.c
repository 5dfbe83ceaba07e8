/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <mayfly/life.h>
#include <mayfly/share.h>
#include <signal.h>
#include <stdio.h>

#include "container/container.h"
#include "container/keeper-process.h"
#include "container/life.h"
#include "container/state-file.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/meminfo.h"

/* Containers that are kept after their test: mayfly-keep, a process that does nothing else, owns each of them. */

#define SECONDS_DEFAULT 3600U
#define SECONDS_MAX (30U * 24 * 3600)

/* Nobody ends what is kept, so that the tests after this one must have room for as much again. */
static int check_room(struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;
        uint64_t available = 0;

        int r = mayfly_container_stats(container, &stats, err);
        if (r < 0 || stats.memory == MAYFLY_UNKNOWN || mf_memory_available("/proc/meminfo", &available) < 0)
                return r;
        if (available / 2 >= stats.memory)
                return 0;
        return mf_error(err, -ENOMEM, MAYFLY_STAGE_SPEC,
                        "container %s is not kept, because it uses %" PRIu64 " MiB of memory, and of this host's only "
                        "%" PRIu64 " MiB are available, less than twice as much; stop other containers (mayfly ps "
                        "lists them)",
                        container->machine, stats.memory >> 20, available >> 20);
}

static int check(struct mayfly_container *container, unsigned seconds, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_keep() needs a container");
        if (seconds > SECONDS_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "a container cannot be kept for %u s; give at most %u, which are 30 days", seconds,
                                SECONDS_MAX);
        int r = mf_container_check_owner(container, err);
        return r < 0 ? r : mf_container_check_runs(container, "keeping it", err);
}

/* Gives the container to a keeper. */
static int give(struct mayfly_container *container, unsigned seconds, pid_t *ret_pid, struct mayfly_error *err)
{
        mf_cleanup(mf_keeper_clear) struct mf_keeper keeper = MF_KEEPER_NONE;
        char file[MF_STATE_FILE_PATH_MAX], time[16];

        snprintf(time, sizeof(time), "%u", seconds);
        int r = mf_state_file_choose(container, file, err);
        if (r == 0)
                r = mf_keeper_start(&keeper,
                                    (const char *const[]){ "--machine", container->machine, "--seconds", time, NULL },
                                    err);
        if (r < 0)
                return r;
        *ret_pid = mf_pidfd_pid(keeper.process);
        /* First it must be ready: a container ends with its owner. */
        r = mf_keeper_hand_over(&keeper, &container->leader_fd, 1);
        if (r < 0)
                r = mf_keeper_explain(&keeper, r, MAYFLY_STAGE_EXEC, "keeping container", container->machine, err);
        else
                r = mayfly_container_share(container, file, keeper.process, err);
        if (r < 0)
                mf_pidfd_signal(keeper.process, SIGKILL);
        return r;
}

MF_EXPORT int mayfly_container_keep(struct mayfly_container *container, unsigned seconds, pid_t *ret_pid,
                                    struct mayfly_error *err)
{
        pid_t pid = 0;

        int r = check(container, seconds, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = check_room(container, err);
        if (r == 0 && container->is_paused) /* only this process could let it go on */
                r = mayfly_container_resume(container, err);
        if (r == 0)
                r = give(container, seconds ? seconds : SECONDS_DEFAULT, &pid, err);
        if (r == 0 && ret_pid)
                *ret_pid = pid;
        return r;
}
