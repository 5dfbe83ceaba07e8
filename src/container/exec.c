/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include "container/command.h"
#include "container/container.h"
#include "container/life.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define TAKE_MS 1000 /* a supervisor takes a signal at once, unless it has been stopped */

MF_EXPORT int mayfly_exec_start(struct mayfly_exec **ret, struct mayfly_container *container,
                                const struct mayfly_command *command, struct mayfly_error *err)
{
        struct mayfly_exec *exec = NULL;

        if (!container || !command || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_exec_start() needs a container, a command and a place for its handle");
        int r = mf_command_begin(container, command, 1, &exec, err);
        if (r == 0)
                r = mf_command_await_start(exec, mf_timeout_ms(MF_COMMAND_TIMEOUT_MS), err);
        if (r < 0)
                mf_command_end(exec);
        else
                *ret = exec;
        return r;
}

MF_EXPORT pid_t mayfly_exec_pid(const struct mayfly_exec *exec)
{
        return exec ? exec->heard.pid : 0;
}

uint64_t mf_command_deadline(unsigned timeout_ms)
{
        return timeout_ms == UINT32_MAX ? UINT64_MAX : mf_timeout_end(timeout_ms);
}

MF_EXPORT int mayfly_exec_wait(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_exit *ret,
                               struct mayfly_error *err)
{
        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_wait() needs a command");
        int r = mf_exit_check(ret, err);
        if (r == 0)
                r = mf_command_check_owner(exec, err);
        if (r == 0)
                r = mf_command_await_end(exec, mf_command_deadline(timeout_ms), 0, err);
        if (r == 0)
                mf_exit_give(&exec->heard.end, ret);
        return r;
}

MF_EXPORT int mayfly_exec_finish(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_result **ret,
                                 struct mayfly_error *err)
{
        if (!exec || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_exec_finish() needs a command and a place for its result");
        int r = mayfly_exec_close_input(exec, err);
        if (r == 0)
                r = mf_command_await_end(exec, mf_command_deadline(timeout_ms), 1, err);
        return r < 0 ? r : mf_command_result(exec, ret, err);
}

/* Whether its supervisor takes messages. Returns 0, -ESRCH when the command has ended, or -EBUSY with an error. */
static int check_reachable(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        const struct mayfly_container *container = exec->anchor->container;

        if (exec->heard.has_ended || !container || container->life != exec->life)
                return -ESRCH;
        return mf_container_check_unpaused(container, exec->program, err);
}

/* Sends a signal to the supervisor, if there is room for it. Returns as the function above, or -EAGAIN. */
static int try_signal(struct mayfly_exec *exec, int signal_number, struct mayfly_error *err)
{
        const struct mf_message message = { .type = MF_MESSAGE_SIGNAL, .value = { signal_number } };
        MF_ANCHOR_GUARD(exec->anchor);

        int r = check_reachable(exec, err);
        if (r < 0)
                return r;
        r = mf_message_try_send(exec->reply, &message, NULL, 0);
        return r == 0 || r == -EAGAIN ? r : -ESRCH;
}

/* The same, and waits for room, without the lock: a supervisor that root inside has stopped makes none. */
static int send_signal(struct mayfly_exec *exec, int signal_number, struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(TAKE_MS);

        for (;;) {
                int r = try_signal(exec, signal_number, err), left = mf_left_ms(deadline);
                if (r != -EAGAIN || left == 0)
                        return r;
                (void) poll(&(struct pollfd){ .fd = exec->reply, .events = POLLOUT }, 1, left);
        }
}

MF_EXPORT int mayfly_exec_signal(struct mayfly_exec *exec, int signal_number, struct mayfly_error *err)
{
        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_signal() needs a command");
        int r = mf_command_check_owner(exec, err);
        if (r < 0)
                return r;
        if (signal_number < 1 || signal_number > SIGRTMAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "%d is no signal; give one from 1 to %d, such as SIGTERM", signal_number, SIGRTMAX);
        r = send_signal(exec, signal_number, err);
        if (r == -EAGAIN)
                return mf_error(
                        err, r, MAYFLY_STAGE_EXEC,
                        "\"%.200s\" in %s: its supervisor (mayfly-command) did not take signal %d within %u ms; "
                        "something inside the container has stopped it: let it continue with SIGCONT, or stop "
                        "the container",
                        exec->program, exec->machine, signal_number, mf_timeout_ms(TAKE_MS));
        return r == -ESRCH ? mf_error(err, r, MAYFLY_STAGE_EXEC, "\"%.200s\" in %s has ended and can get no signal %d",
                                      exec->program, exec->machine, signal_number)
                           : r;
}

MF_EXPORT int mayfly_exec_kill(struct mayfly_exec *exec, struct mayfly_error *err)
{
        if (!exec)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_exec_kill() needs a command");
        int r = mf_command_check_owner(exec, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(exec->anchor);
        r = check_reachable(exec, err);
        if (r == 0)
                mf_command_kill(exec);
        return r == -ESRCH ? 0 : r;
}

MF_EXPORT struct mayfly_exec *mayfly_exec_free(struct mayfly_exec *exec)
{
        return mf_command_end(exec);
}
