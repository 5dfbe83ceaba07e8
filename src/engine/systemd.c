/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/bus.h"
#include "engine/engine.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* The engine "systemd": mayfly-launch is a transient unit, and the container is registered with machined, unless machined
 * has no room for the container. For an ordinary user, mayfly-launch is a unit of the user's systemd, and machined is not used. */

struct systemd_engine {
        struct mf_engine base;
        struct mf_bus *bus;
        int is_unregistered;
        char machine[65];
};

static struct systemd_engine *systemd_of(struct mf_engine *engine)
{
        return (struct systemd_engine *) (void *) engine;
}

static struct mf_engine *release(struct mf_engine *engine)
{
        if (engine) {
                mf_bus_close(systemd_of(engine)->bus);
                free(engine);
        }
        return NULL;
}

static int start(struct mf_engine **ret, const struct mf_engine_request *request, struct mayfly_error *err)
{
        struct systemd_engine *engine = calloc(1, sizeof(*engine));
        char unit[sizeof(engine->machine) + 16];

        if (!engine)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        engine->base.type = &mf_engine_systemd;
        int is_users = mf_privilege_is_delegated();
        engine->is_unregistered = request->is_unregistered;
        snprintf(engine->machine, sizeof(engine->machine), "%s", request->machine);
        snprintf(unit, sizeof(unit), "mayfly-%s.service", request->machine);
        const struct mf_bus_unit description = {
                .argv = request->argv,
                .stdio = { request->control, request->boot_log, request->boot_log },
                .max_runtime_s = request->max_runtime_s,
                .limits = request->limits,
                .stop_timeout_ms = 2000, /* mayfly-launch ends nspawn in less */
        };
        int r = mf_bus_open(&engine->bus, is_users, unit, request->machine, request->deadline_us, err);
        if (r == 0 && !request->is_unregistered)
                r = mf_bus_check_room(engine->bus, err);
        if (r == 0)
                r = mf_bus_start_unit(engine->bus, &description, err);
        if (r < 0) {
                release(&engine->base);
                return r;
        }
        *ret = &engine->base;
        return 0;
}

static size_t poll_fds(struct mf_engine *engine, struct pollfd *ret, int *ret_timeout_ms)
{
        ret[0].fd = mf_bus_fd(systemd_of(engine)->bus, &ret[0].events, ret_timeout_ms);
        return 1;
}

static int dispatch(struct mf_engine *engine, struct mayfly_error *err)
{
        struct mf_bus *bus = systemd_of(engine)->bus;

        int r = mf_bus_process(bus, err);
        if (mf_bus_gone(bus))
                engine->gone = 1;
        return r;
}

static int diagnose(struct mf_engine *engine, int has_boot_log, struct mayfly_error *err)
{
        const struct systemd_engine *systemd = systemd_of(engine);
        const char *failure = mf_bus_job_failure(systemd->bus);

        int r = mf_bus_check_machined(systemd->bus, err);
        if (r < 0 || has_boot_log || !failure)
                return r;
        return mf_error(err, -EIO, MAYFLY_STAGE_BUS,
                        "systemd could not start mayfly-%s.service: job %s; see journalctl -u mayfly-%s.service",
                        systemd->machine, failure, systemd->machine);
}

/* Checks that the process `leader` is in our unit's cgroup. Returns 0, -ESTALE if it is not, or negative errno. */
static int verify_cgroup(const struct systemd_engine *systemd, pid_t leader, struct mayfly_error *err)
{
        mf_cleanup(mf_fclosep) FILE *f = NULL;
        char path[64], unit[sizeof(systemd->machine) + 32], line[4096];

        snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) leader);
        int length = snprintf(unit, sizeof(unit), "/mayfly-%s.service", systemd->machine);
        f = fopen(path, "re");
        if (!f)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_BUS, "reading %s", path);
        while (fgets(line, sizeof(line), f)) {
                const char *found = strstr(line, unit);
                if (found && strchr("/\n", found[length]))
                        return 0;
        }
        return mf_error(err, -ESTALE, MAYFLY_STAGE_BUS, "PID %d answers, but is not in mayfly-%s.service", (int) leader,
                        systemd->machine);
}

static int verify(struct mf_engine *engine, pid_t leader, struct mayfly_error *err)
{
        const struct systemd_engine *systemd = systemd_of(engine);
        pid_t registered = 0;

        if (systemd->is_unregistered)
                return verify_cgroup(systemd, leader, err);
        int r = mf_bus_inspect_machine(systemd->bus, &registered, err);
        if (r == -EHOSTDOWN) /* newer versions of nspawn register the machine without the bus */
                return verify_cgroup(systemd, leader, err);
        if (r == 0 && registered != leader)
                return mf_error(err, -ESTALE, MAYFLY_STAGE_BUS,
                                "machined says that PID %d leads %s, but PID %d answers", (int) registered,
                                systemd->machine, (int) leader);
        return r;
}

/* Nothing outside the unit's cgroup is in the container, and systemd looks after that. */
static int has_process(struct mf_engine *engine, pid_t pid)
{
        (void) engine, (void) pid;
        return 0;
}

static int set_limits(struct mf_engine *engine, uint64_t memory_max, uint64_t tasks_max, struct mayfly_error *err)
{
        struct mf_bus *bus = systemd_of(engine)->bus;

        mf_bus_wake(bus);
        int r = mf_bus_set_limits(bus, memory_max, tasks_max, err);
        mf_bus_rest(bus);
        return r;
}

static void rest(struct mf_engine *engine)
{
        mf_bus_rest(systemd_of(engine)->bus);
}

static void wake(struct mf_engine *engine)
{
        mf_bus_wake(systemd_of(engine)->bus);
}

static int terminate(struct mf_engine *engine, int leader_fd, unsigned attempt, struct mayfly_error *err)
{
        struct mf_bus *bus = systemd_of(engine)->bus;
        int gone = mf_bus_ask_gone(bus, err);

        (void) leader_fd;
        if (gone != 0) {
                engine->gone = gone > 0;
                return gone < 0 ? gone : 0;
        }
        /* The unit may exist without the machine, so after an error the next way is tried. */
        if (attempt == 0 && mf_bus_terminate_machine(bus, NULL) == 0)
                return 0;
        if (attempt <= 1)
                return mf_bus_stop_unit(bus, err);
        return mf_bus_kill_unit(bus, err);
}

const struct mf_engine_type mf_engine_systemd = {
        .id = MAYFLY_ENGINE_SYSTEMD,
        .start = start,
        .poll_fds = poll_fds,
        .dispatch = dispatch,
        .diagnose = diagnose,
        .verify = verify,
        .has_process = has_process,
        .rest = rest,
        .wake = wake,
        .set_limits = set_limits,
        .terminate = terminate,
        .release = release,
};
