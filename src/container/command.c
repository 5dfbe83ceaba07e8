/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/life.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"
#include "util/trace.h"

#define NEWS_TIMEOUT_MS 1000U /* for news of the container after a command fell silent */
#define KILL_TIMEOUT_MS 5000U /* for the supervisor inside to kill a command and its descendants */
/* After so long without a sign of the command, look whether its container is there: a child that this process happened to fork at the
 * wrong moment may keep a copy of the supervisor's end of the reply socket. */
#define LOOK_MS 1000

int mf_command_check_owner(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        if (exec->anchor->owner == getpid())
                return 0;
        return mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                        "\"%.200s\" in %s belongs to process %d; a forked child (this is %d) cannot use it",
                        exec->program, exec->machine, (int) exec->anchor->owner, (int) getpid());
}

/* --- what its supervisor says --------------------------------------------------------------------------------- */

/* Says why nothing is left that could answer: the end of the app takes the container and its commands along. */
static int explain_silence(struct mayfly_exec *exec, struct mayfly_error *err)
{
        struct mayfly_container *container = exec->anchor->container;
        uint64_t deadline = mf_timeout_end(NEWS_TIMEOUT_MS);

        if (!container)
                return mf_error(err, -ESRCH, MAYFLY_STAGE_EXEC,
                                "\"%.200s\": its container %s has been stopped and freed", exec->program,
                                exec->machine);
        if (container->life != exec->life)
                return mf_error(err, -ESRCH, MAYFLY_STAGE_EXEC,
                                "\"%.200s\": it has ended, because its container %s was started again since",
                                exec->program, exec->machine);
        while (container->control >= 0 && container->reports.app != MF_APP_ENDED && mf_now_us() < deadline)
                (void) mf_container_poll(container, NULL, 0, 100, NULL);
        if (container->control < 0 || container->reports.app == MF_APP_ENDED)
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, exec->program, err);
        return mf_error(err, -ESRCH, MAYFLY_STAGE_EXEC,
                        "\"%.200s\": its supervisor in %s (mayfly-command) was killed from inside the container",
                        exec->program, exec->machine);
}

static int explain_nonsense(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        return mf_error(err, -EPROTO, MAYFLY_STAGE_EXEC,
                        "\"%.200s\": its supervisor in %s sent a message that it does not send at that time; something "
                        "inside the container got hold of its socket",
                        exec->program, exec->machine);
}

/* Takes the PID, and the terminal's master if it has one. */
static int take_started(struct mayfly_exec *exec, const struct mf_message *message, int *fds, size_t n_fds,
                        struct mayfly_error *err)
{
        if (exec->heard.is_started || exec->heard.has_ended || message->value[0] <= 0)
                return explain_nonsense(exec, err);
        if (exec->is_terminal && n_fds == 0)
                return mf_error(err, -EMFILE, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s: this process has no descriptor left for the terminal; raise "
                                "RLIMIT_NOFILE (ulimit -n)",
                                exec->program, exec->machine);
        if (n_fds != (size_t) exec->is_terminal || (exec->is_terminal && !isatty(fds[0])))
                return explain_nonsense(exec, err);
        if (exec->is_terminal) {
                (void) fcntl(fds[0], F_SETFL, O_NONBLOCK);
                exec->captures[0].fd = exec->input = mf_take_fd(&fds[0]);
        }
        exec->heard.is_started = 1;
        exec->heard.pid = message->value[0];
        return 0;
}

static int take_result(struct mayfly_exec *exec, const struct mf_message *message, size_t n_fds,
                       struct mayfly_error *err)
{
        int error = message->value[0], code = message->value[1], status = message->value[2];
        int is_end = exec->heard.is_started &&
                     (code == CLD_EXITED ? status >= 0 && status <= 255
                                         : (code == CLD_KILLED || code == CLD_DUMPED) && status > 0 && status < NSIG);

        if (n_fds > 0 || exec->heard.has_ended || (error == 0 ? !is_end : error < 0 || error > 4095))
                return explain_nonsense(exec, err);
        exec->heard.has_ended = 1;
        exec->heard.error = error;
        exec->heard.end.si_code = code;
        exec->heard.end.si_status = status;
        exec->heard.timed_out = message->value[3] == MF_KILL_TIMEOUT;
        exec->heard.end_us = mf_now_us();
        snprintf(exec->heard.text, sizeof(exec->heard.text), "%.*s", (int) sizeof(message->text) - 1, message->text);
        return 0;
}

/* Looks whether the container is there, when the supervisor said nothing. Returns 0, or -ESRCH. */
static int check_container(struct mayfly_exec *exec, struct mayfly_error *err)
{
        struct mayfly_container *container = exec->anchor->container;

        if (container)
                (void) mf_container_poll(container, NULL, 0, 0, NULL);
        return container && container->life == exec->life && container->control >= 0 ? 0 : explain_silence(exec, err);
}

/* Takes in what the supervisor has said. Returns 1 when the command has ended, 0 while it runs, or -errno when its end will never
 * be heard of. */
static int hear(struct mayfly_exec *exec, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(exec->anchor);
        int r = 0;

        while (r == 0 && !exec->heard.has_ended) {
                struct mf_message message;
                int fds[MF_MESSAGE_FDS_MAX];
                size_t n_fds = 0;

                r = mf_message_recv(exec->reply, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
                if (r == -EAGAIN)
                        return check_container(exec, err);
                if (r == 1 && message.type == MF_MESSAGE_STARTED)
                        r = take_started(exec, &message, fds, n_fds, err);
                else if (r == 1 && message.type == MF_MESSAGE_RESULT)
                        r = take_result(exec, &message, n_fds, err);
                else
                        r = r == 1 || r == -EPROTO ? explain_nonsense(exec, err) : explain_silence(exec, err);
                for (size_t i = 0; i < n_fds; i++)
                        mf_close(fds[i]);
        }
        return r < 0 ? r : exec->heard.has_ended;
}

/* Says why the command could not be executed. */
static int explain_failure(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(exec->anchor);
        const struct mayfly_container *container = exec->anchor->container;
        const char *text = exec->heard.text[0] ? exec->heard.text : strerrordesc_np(exec->heard.error);

        if (exec->heard.error == ENOEXEC && container)
                mf_container_explain_arch(container, exec->heard.text, MAYFLY_STAGE_EXEC, err);
        return mf_error(err, -exec->heard.error, MAYFLY_STAGE_EXEC, "running in container %s: %s%s", exec->machine,
                        text,
                        exec->heard.error == EAGAIN
                                ? "; it has as many processes as tasks_max in its spec allows: raise that, or free "
                                  "commands in the background, which are two processes each"
                                : "");
}

/* --- waiting -------------------------------------------------------------------------------------------------- */

size_t mf_command_poll_fds(const struct mayfly_exec *exec, struct pollfd ret[3])
{
        ret[0] = (struct pollfd){ .fd = exec->reply, .events = POLLIN };
        for (int i = 0; i < 2; i++) {
                const struct mf_capture *capture = &exec->captures[i];
                ret[1 + i] = (struct pollfd){ .fd = capture->at_end || capture->refused ? -1 : capture->fd,
                                              .events = POLLIN };
        }
        return 3;
}

/* Types what there is room for. */
static void type_input(struct mayfly_exec *exec)
{
        const struct mf_buffer *input = &exec->terminal_input;
        ssize_t n = write(exec->input, input->data + exec->n_typed, input->size - exec->n_typed);

        if (n > 0)
                exec->n_typed += (size_t) n;
        else if (errno != EAGAIN && errno != EINTR)
                exec->n_typed = input->size; /* nobody reads it any more */
}

/* Waits for a sign of the command, and with `reads` takes in output. Returns 1 when the supervisor may have said something, 0, or
 * -errno. */
static int poll_once(struct mayfly_exec *exec, int reads, int timeout_ms, struct mayfly_error *err)
{
        struct pollfd fds[4];
        size_t n = reads ? mf_command_poll_fds(exec, fds) : 1;
        int r = 0;

        fds[0] = (struct pollfd){ .fd = exec->reply, .events = POLLIN };
        if (reads && exec->n_typed < exec->terminal_input.size && exec->input >= 0)
                fds[n++] = (struct pollfd){ .fd = exec->input, .events = POLLOUT };
        int n_ready = poll(fds, n, timeout_ms);
        if (n_ready < 0 && errno != EINTR)
                r = -errno;
        for (size_t i = 0; r == 0 && n_ready > 0 && i < 2 && reads; i++)
                if (fds[1 + i].revents)
                        r = mf_capture_drain(&exec->captures[i]);
        if (n == 4 && n_ready > 0 && fds[3].revents)
                type_input(exec);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "reading the output of \"%.200s\"", exec->program);
        return n_ready == 0 || (n_ready > 0 && fds[0].revents);
}

void mf_command_kill(const struct mayfly_exec *exec)
{
        /* A supervisor that has not read for long, stopped by root inside, finds the end of the messages where there is no room. */
        if (mf_message_try_send(exec->reply, &(struct mf_message){ .type = MF_MESSAGE_KILL }, NULL, 0) == -EAGAIN)
                (void) shutdown(exec->reply, SHUT_WR);
}

/* Has the command killed if a callback does not want any more of it. */
static void obey_callbacks(struct mayfly_exec *exec, int *asked)
{
        if (*asked || (!exec->captures[0].refused && !exec->captures[1].refused))
                return;
        mf_command_kill(exec);
        *asked = 1;
}

/* When the wait for a command that has a time-out has no sense any more. */
static uint64_t hopeless_us(const struct mayfly_exec *exec)
{
        return exec->timeout_ms ? exec->begin_us + ((uint64_t) exec->timeout_ms + mf_timeout_ms(KILL_TIMEOUT_MS)) * 1000
                                : UINT64_MAX;
}

static int explain_timeout(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(exec->anchor);
        int r = exec->anchor->container ? mf_container_check_unpaused(exec->anchor->container, exec->program, err) : 0;

        if (r < 0)
                return r;
        if (mf_now_us() >= hopeless_us(exec))
                return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s ran into its timeout of %u ms and could not be killed", exec->program,
                                exec->machine, exec->timeout_ms);
        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC, "\"%.200s\" in %s still runs", exec->program,
                        exec->machine);
}

int mf_command_await_end(struct mayfly_exec *exec, uint64_t deadline_us, int reads, struct mayfly_error *err)
{
        uint64_t hopeless = hopeless_us(exec);
        int asked = 0, r = hear(exec, err);

        if (hopeless < deadline_us)
                deadline_us = hopeless;
        while (r == 0) {
                int left = mf_left_ms(deadline_us);
                if (left == 0)
                        return explain_timeout(exec, err);
                r = poll_once(exec, reads, left < LOOK_MS ? left : LOOK_MS, err);
                obey_callbacks(exec, &asked);
                if (r > 0)
                        r = hear(exec, err);
        }
        return r < 0 ? r : 0;
}

int mf_command_await_start(struct mayfly_exec *exec, unsigned timeout_ms, struct mayfly_error *err)
{
        uint64_t deadline = exec->begin_us + (uint64_t) timeout_ms * 1000;
        int r = 0;

        while (!exec->heard.is_started) {
                int left = mf_left_ms(deadline);
                if (left == 0)
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC,
                                        "\"%.200s\": container %s did not start it within %u ms", exec->program,
                                        exec->machine, timeout_ms);
                r = poll_once(exec, 0, left < LOOK_MS ? left : LOOK_MS, err);
                if (r > 0)
                        r = hear(exec, err);
                if (r < 0)
                        return r;
                if (exec->heard.error)
                        return explain_failure(exec, err);
        }
        return 0;
}

/* --- the result ----------------------------------------------------------------------------------------------- */

/* What a callback returned, if not 0. */
static int refusal_of(const struct mayfly_exec *exec, struct mayfly_error *err)
{
        for (int i = 0; i < 2; i++) {
                int refused = exec->captures[i].refused;
                if (!refused)
                        continue;
                mf_error_set(err, refused < 0 ? refused : -ECANCELED, MAYFLY_STAGE_EXEC,
                             "%s, which was called with the output of \"%.200s\", returned %d",
                             i ? "on_error" : "on_output", exec->program, refused);
                return refused;
        }
        return 0;
}

/* Takes what was kept of a stream: never NULL. */
static char *take_kept(struct mf_capture *capture)
{
        char *data = capture->kept.data;

        capture->kept = (struct mf_buffer){ 0 };
        capture->dropped = 0;
        return data;
}

static int make_result(struct mayfly_exec *exec, struct mayfly_result **ret)
{
        struct mf_capture *out = &exec->captures[0], *error = &exec->captures[1];
        struct {
                struct mayfly_result public;
                struct mayfly_exit exit;
        } *made = calloc(1, sizeof(*made));

        if (!made || mf_buffer_add(&out->kept, "", 0) < 0 || mf_buffer_add(&error->kept, "", 0) < 0) {
                free(made);
                return -ENOMEM;
        }
        made->exit = mf_exit_of(&exec->heard.end);
        made->public = (struct mayfly_result){ .size = sizeof(made->public),
                                               .exit = &made->exit,
                                               .timed_out = exec->heard.timed_out,
                                               .out_size = out->kept.size,
                                               .out_dropped = out->dropped,
                                               .err_size = error->kept.size,
                                               .err_dropped = error->dropped,
                                               .elapsed_us = exec->heard.end_us - exec->begin_us };
        made->public.out = take_kept(out);
        made->public.err = take_kept(error);
        *ret = &made->public; /* the first member: to be freed by this pointer */
        return 0;
}

int mf_command_result(struct mayfly_exec *exec, struct mayfly_result **ret, struct mayfly_error *err)
{
        int r = 0;

        if (exec->heard.error)
                return explain_failure(exec, err);
        /* All that the command itself wrote is in the pipe by now; a child of it may go on for ever. */
        for (int i = 0; r == 0 && i < 2; i++)
                r = mf_capture_drain(&exec->captures[i]);
        int refused = r == 0 ? refusal_of(exec, err) : 0;
        if (refused)
                return refused;
        if (r == 0)
                r = make_result(exec, ret);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "the output of \"%.200s\"", exec->program) : 0;
}

int mf_command_step(struct mayfly_exec *exec, struct mayfly_result **ret, struct mayfly_error *err)
{
        int r = poll_once(exec, 1, 0, err);

        if (r > 0)
                r = hear(exec, err);
        if (r <= 0)
                return r;
        r = mf_command_result(exec, ret, err);
        return r < 0 ? r : 1;
}

MF_EXPORT int mayfly_container_run(struct mayfly_container *container, const struct mayfly_command *given,
                                   struct mayfly_result **ret, struct mayfly_error *err)
{
        struct mayfly_exec *exec = NULL;

        if (!container || !given || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_run() needs a container, a command and a place for its result");
        MF_TRACE("command", given->argv ? given->argv[0] : NULL);
        int r = mf_command_begin(container, given, 0, &exec, err);
        if (r == 0)
                r = mf_command_await_end(exec, UINT64_MAX, 1, err);
        if (r == 0)
                r = mf_command_result(exec, ret, err);
        mf_command_end(exec);
        return r;
}

MF_EXPORT struct mayfly_result *mayfly_result_free(struct mayfly_result *result)
{
        if (result) {
                free(result->out);
                free(result->err);
                free(result);
        }
        return NULL;
}
