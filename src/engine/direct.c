/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engine/engine.h"
#include "privilege/raw-start.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

struct direct_engine {
        struct mf_engine base;
        int janitor_fd, supervisor_fd; /* pidfds of mayfly-launch and its child, -1 once they have ended */
        int report;                    /* where both introduce themselves, -1 once they have */
        int reaper;                    /* pidfd of the parent of the first, -1 if that is PID 1 */
};

static struct direct_engine *direct_of(struct mf_engine *engine)
{
        return (struct direct_engine *) (void *) engine;
}

static struct mf_engine *release(struct mf_engine *engine)
{
        if (engine) {
                mf_close(direct_of(engine)->janitor_fd);
                mf_close(direct_of(engine)->supervisor_fd);
                mf_close(direct_of(engine)->report);
                mf_close(direct_of(engine)->reaper);
                free(engine);
        }
        return NULL;
}

static int start_launch(struct direct_engine *engine, const struct mf_engine_request *request, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int report_end = -1;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "socketpair");
        engine->report = pair[0];
        report_end = pair[1];

        const struct mf_raw_start raw = {
                .argv = request->argv, .control = request->control, .boot_log = request->boot_log, .report = report_end
        };
        int r = mf_raw_start(&raw, &engine->reaper);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "making a process for %s", request->argv[0]);
        close(mf_take_fd(&report_end)); /* ours would keep recvmsg(2) from seeing the end */
        r = mf_raw_start_hear(engine->report, engine->reaper, &engine->janitor_fd);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "starting %s", request->argv[0]);
        return 0;
}

static int start(struct mf_engine **ret, const struct mf_engine_request *request, struct mayfly_error *err)
{
        struct direct_engine *engine = malloc(sizeof(*engine));

        if (!engine)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *engine = (struct direct_engine){
                .base = { .type = &mf_engine_direct }, .janitor_fd = -1, .supervisor_fd = -1, .report = -1, .reaper = -1
        };
        int r = start_launch(engine, request, err);
        if (r < 0) {
                /* mayfly-launch, if there is one, ends when nobody hears its introduction, and its reaper then. */
                engine->report = mf_close(engine->report);
                if (engine->reaper >= 0)
                        mf_raw_start_await(engine->reaper);
                release(&engine->base);
                return r;
        }
        *ret = &engine->base;
        return 0;
}

/* Whether mayfly-launch and its child have ended. */
static int all_ended(const struct direct_engine *direct)
{
        return direct->janitor_fd < 0 && direct->supervisor_fd < 0 && direct->report < 0;
}

static size_t poll_fds(struct mf_engine *engine, struct pollfd *ret, int *ret_timeout_ms)
{
        const struct direct_engine *direct = direct_of(engine);

        *ret_timeout_ms = -1;
        if (all_ended(direct)) {
                ret[0] = (struct pollfd){ .fd = direct->reaper, .events = POLLIN };
                return 1;
        }
        ret[0] = (struct pollfd){ .fd = direct->janitor_fd, .events = POLLIN };
        ret[1] =
                (struct pollfd){ .fd = direct->report >= 0 ? direct->report : direct->supervisor_fd, .events = POLLIN };
        return 2;
}

/* The supervisor introduces itself before it does anything. Does not rely on the end of the stream: a child that this
 * process happened to fork meanwhile may hold the other end. */
static void hear_of_supervisor(struct direct_engine *direct)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(direct->report, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN && direct->janitor_fd >= 0)
                return;
        if (r == 1 && n_fds == 1)
                direct->supervisor_fd = fds[0];
        direct->report = mf_close(direct->report);
}

static int dispatch(struct mf_engine *engine, struct mayfly_error *err)
{
        struct direct_engine *direct = direct_of(engine);

        (void) err;
        /* A descriptor that stays readable would keep poll(2) from waiting for the other. */
        if (mf_pidfd_has_ended(direct->janitor_fd))
                direct->janitor_fd = mf_close(direct->janitor_fd);
        if (direct->report >= 0)
                hear_of_supervisor(direct);
        if (mf_pidfd_has_ended(direct->supervisor_fd))
                direct->supervisor_fd = mf_close(direct->supervisor_fd);
        if (!all_ended(direct))
                return 0;
        if (direct->reaper >= 0 && mf_raw_start_reap(direct->reaper))
                direct->reaper = mf_close(direct->reaper);
        if (direct->reaper < 0)
                engine->gone = 1;
        return 0;
}

static int diagnose(struct mf_engine *engine, int has_boot_log, struct mayfly_error *err)
{
        (void) engine, (void) has_boot_log, (void) err;
        return 0;
}

static int verify(struct mf_engine *engine, pid_t leader, struct mayfly_error *err)
{
        (void) engine, (void) leader, (void) err;
        return 0;
}

/* Either introduction may come first, so that supervisor_fd may be the janitor's. */
static int has_process(struct mf_engine *engine, pid_t pid)
{
        struct direct_engine *direct = direct_of(engine);

        if (direct->report >= 0)
                hear_of_supervisor(direct);
        return (direct->supervisor_fd >= 0 && mf_pidfd_pid(direct->supervisor_fd) == pid) ||
               (direct->janitor_fd >= 0 && mf_pidfd_pid(direct->janitor_fd) == pid);
}

/* The container's PID 1 first: nspawn and mayfly-launch then clean up after it. Nobody else could, so these are not
 * killed.
 */
static int terminate(struct mf_engine *engine, int leader_fd, unsigned attempt, struct mayfly_error *err)
{
        const struct direct_engine *direct = direct_of(engine);

        (void) err;
        if (attempt == 0 && leader_fd >= 0) {
                mf_pidfd_signal(leader_fd, SIGKILL);
        } else {
                mf_pidfd_signal(direct->supervisor_fd, SIGTERM);
                mf_pidfd_signal(direct->supervisor_fd, SIGCONT);
                mf_pidfd_signal(direct->janitor_fd, SIGTERM);
                mf_pidfd_signal(direct->janitor_fd, SIGCONT);
        }
        return 0;
}

const struct mf_engine_type mf_engine_direct = {
        .id = MAYFLY_ENGINE_DIRECT,
        .start = start,
        .poll_fds = poll_fds,
        .dispatch = dispatch,
        .diagnose = diagnose,
        .verify = verify,
        .has_process = has_process,
        .terminate = terminate,
        .release = release,
};
