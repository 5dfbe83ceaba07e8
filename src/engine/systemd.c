/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "container/container.h"
#include "engine/bus.h"
#include "util/error.h"
#include "util/macro.h"

static int start(struct mayfly_container *container, char *const *argv, int control, struct mayfly_error *err)
{
        char unit[sizeof(container->machine) + 16];
        struct mf_limits limits;

        mf_limits_of(container, &limits);
        const struct mf_bus_unit description = {
                .argv = argv,
                .stdio = { control, container->boot_log, container->boot_log },
                .max_runtime_s = container->spec.max_runtime_s,
                .memory_max = limits.memory_max,
                .memory_low = limits.memory_low,
                .cpu_max = limits.cpu_max,
                .cpu_weight = limits.cpu_weight,
                .tasks_max = limits.tasks_max,
                .stop_timeout_ms = 2000, /* mayfly-launch needs no more to push nspawn */
        };

        snprintf(unit, sizeof(unit), "mayfly-%s.service", container->machine);
        int r = mf_bus_open(&container->bus, unit, container->machine, err);
        return r < 0 ? r : mf_bus_start_unit(container->bus, &description, err);
}

static size_t poll_fds(struct mayfly_container *container, struct pollfd *ret, int *ret_timeout_ms)
{
        *ret_timeout_ms = -1;
        if (!container->bus)
                return 0;
        ret[0].fd = mf_bus_fd(container->bus, &ret[0].events, ret_timeout_ms);
        return 1;
}

static int dispatch(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container->bus) { /* it could not even be asked for */
                container->gone = 1;
                return 0;
        }
        int r = mf_bus_process(container->bus, err);
        if (mf_bus_gone(container->bus))
                container->gone = 1;
        return r;
}

static int diagnose(struct mayfly_container *container, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *boot_log = NULL;
        int r = mf_bus_check_machined(container->bus, err);

        if (r < 0)
                return r;
        r = mf_boot_log_read(container->boot_log, 1, &boot_log);
        if (r < 0 || *boot_log || !mf_bus_job_failure(container->bus))
                return 0;
        return mf_error(err, -EIO, MAYFLY_STAGE_BUS,
                        "systemd could not start mayfly-%s.service: job %s; see journalctl -u mayfly-%s.service",
                        container->machine, mf_bus_job_failure(container->bus), container->machine);
}

static int verify(struct mayfly_container *container, struct mayfly_error *err)
{
        pid_t leader = 0;
        int r = mf_bus_inspect_machine(container->bus, &leader, err);

        if (r == 0 && leader != container->leader)
                return mf_error(err, -ESTALE, MAYFLY_STAGE_BUS,
                                "machined says that PID %d leads %s, but PID %d answers", (int) leader,
                                container->machine, (int) container->leader);
        return r;
}

static int terminate(struct mayfly_container *container, unsigned attempt, struct mayfly_error *err)
{
        int gone = mf_bus_ask_gone(container->bus, err);

        if (gone != 0) {
                container->gone = gone > 0;
                return gone < 0 ? gone : 0;
        }
        /* The unit may be there without the machine, so a refusal only means to try the next one. */
        if (attempt == 0 && mf_bus_terminate_machine(container->bus, NULL) == 0)
                return 0;
        if (attempt <= 1)
                return mf_bus_stop_unit(container->bus, err);
        return mf_bus_kill_unit(container->bus, err);
}

static void release(struct mayfly_container *container)
{
        container->bus = mf_bus_close(container->bus);
}

const struct mf_engine mf_engine_systemd = {
        .id = MAYFLY_ENGINE_SYSTEMD,
        .start = start,
        .poll_fds = poll_fds,
        .dispatch = dispatch,
        .diagnose = diagnose,
        .verify = verify,
        .terminate = terminate,
        .release = release,
};
