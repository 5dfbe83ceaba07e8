/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "util/fd.h"

/* A container that another process has started, with whatever engine: it is gone when the processes of mayfly-launch are. */

struct attached_engine {
        struct mf_engine base;
        int processes[MF_ENGINE_PROCESSES_MAX]; /* pidfds, -1 once they have ended */
};

static struct attached_engine *attached_of(struct mf_engine *engine)
{
        return (struct attached_engine *) (void *) engine;
}

struct mf_engine *mf_engine_attach(int *processes, size_t n)
{
        struct attached_engine *engine = calloc(1, sizeof(*engine));

        if (!engine)
                return NULL;
        engine->base.type = &mf_engine_attached;
        engine->base.gone = n == 0;
        for (size_t i = 0; i < MF_ENGINE_PROCESSES_MAX; i++)
                engine->processes[i] = i < n ? mf_take_fd(&processes[i]) : -1;
        return &engine->base;
}

static struct mf_engine *release(struct mf_engine *engine)
{
        for (size_t i = 0; i < MF_ENGINE_PROCESSES_MAX; i++)
                mf_close(attached_of(engine)->processes[i]);
        free(engine);
        return NULL;
}

static size_t poll_fds(struct mf_engine *engine, struct pollfd *ret, int *ret_timeout_ms)
{
        *ret_timeout_ms = -1;
        for (size_t i = 0; i < MF_ENGINE_PROCESSES_MAX; i++)
                ret[i] = (struct pollfd){ .fd = attached_of(engine)->processes[i], .events = POLLIN };
        return MF_ENGINE_PROCESSES_MAX;
}

static int dispatch(struct mf_engine *engine, struct mayfly_error *err)
{
        int left = 0;

        (void) err;
        for (size_t i = 0; i < MF_ENGINE_PROCESSES_MAX; i++) {
                int *process = &attached_of(engine)->processes[i];
                if (mf_pidfd_has_ended(*process))
                        *process = mf_close(*process);
                left |= *process >= 0;
        }
        engine->gone = !left;
        return 0;
}

static int diagnose(struct mf_engine *engine, int has_boot_log, struct mayfly_error *err)
{
        (void) engine, (void) has_boot_log, (void) err;
        return 0;
}

/* The container's PID 1 first, as in engine direct: mayfly-launch then cleans up after it. */
static int terminate(struct mf_engine *engine, int leader_fd, unsigned attempt, struct mayfly_error *err)
{
        (void) err;
        if (attempt == 0 && leader_fd >= 0) {
                mf_pidfd_signal(leader_fd, SIGKILL);
                return 0;
        }
        for (size_t i = 0; i < MF_ENGINE_PROCESSES_MAX; i++) {
                mf_pidfd_signal(attached_of(engine)->processes[i], SIGTERM);
                mf_pidfd_signal(attached_of(engine)->processes[i], SIGCONT);
        }
        return 0;
}

const struct mf_engine_type mf_engine_attached = {
        .poll_fds = poll_fds,
        .dispatch = dispatch,
        .diagnose = diagnose,
        .terminate = terminate,
        .release = release,
};
