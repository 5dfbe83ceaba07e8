/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/command.h"
#include "container/container.h"
#include "container/life.h"
#include "protocol/exec-block.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/time.h"

#define OUTPUT_MAX_DEFAULT (UINT64_C(16) << 20)
#define TIMEOUT_DEFAULT_MS 60000U
#define NEWS_TIMEOUT_MS 1000U /* for news of the container after a command fell silent */
#define KILL_TIMEOUT_MS 5000U /* for the supervisor inside to kill a command and its descendants */

/* One of the two streams that are captured. */
struct capture {
        int fd; /* the pipe's end to read, -1 at its end */
        char *data;
        size_t size, allocated;
        uint64_t dropped, max;
};

static void capture_clear(struct capture *capture)
{
        capture->fd = mf_close(capture->fd);
        free(capture->data);
}

/* Takes in `n` bytes, or as many as are allowed. One byte stays free for the final NUL. Returns 0 or -ENOMEM. */
static int capture_add(struct capture *capture, const char *data, size_t n)
{
        size_t take = n;

        if (take > capture->max - capture->size)
                take = (size_t) (capture->max - capture->size);
        if (!capture->data || capture->size + take + 1 > capture->allocated) {
                size_t allocated = (capture->size + take + 1) * 2;
                char *grown = realloc(capture->data, allocated);
                if (!grown)
                        return -ENOMEM;
                capture->data = grown;
                capture->allocated = allocated;
        }
        memcpy(capture->data + capture->size, data, take);
        capture->size += take;
        capture->data[capture->size] = '\0';
        capture->dropped += n - take;
        return 0;
}

/* Reads all that can be read without waiting. Returns 0 or -errno. */
static int capture_drain(struct capture *capture)
{
        char buffer[16 * 1024]; /* on the stack of a thread that may have little of it */

        while (capture->fd >= 0) {
                ssize_t n = read(capture->fd, buffer, sizeof(buffer));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return 0;
                if (n < 0)
                        return -errno;
                if (n == 0) {
                        capture->fd = mf_close(capture->fd);
                        return 0;
                }
                int r = capture_add(capture, buffer, (size_t) n);
                if (r < 0)
                        return r;
                if (n < (ssize_t) sizeof(buffer))
                        return 0; /* the pipe is empty; poll() reports more */
        }
        return 0;
}

static int take_command(struct mayfly_command *command, const struct mayfly_command *given, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the command", "MAYFLY_COMMAND_INIT", struct mayfly_command, timeout_ms);

        *command = (struct mayfly_command) MAYFLY_COMMAND_INIT;
        int r = mf_options_take(command, given, &kind, err);
        if (r < 0)
                return r;
        if (!command->argv || !command->argv[0] || !command->argv[0][0])
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command has no argv[0]; name a program of the container");
        if (command->cwd && command->cwd[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "working directory \"%.200s\" must be absolute",
                                command->cwd);
        if ((command->user && !*command->user) || (command->group && !*command->group))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command's %s is empty; leave it NULL for the default",
                                command->user && !*command->user ? "user" : "group");
        if (command->input_size && !command->input)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the command has %zu bytes of input at NULL",
                                command->input_size);
        return mf_env_check(command->env, "the command's env", MAYFLY_STAGE_SPEC, err);
}

/* Standard input is a file in memory: it can be reopened, never blocks, and its reader may stop early. */
static int make_input(const struct mayfly_command *command)
{
        if (command->input_size == 0)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);

        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-input", MFD_CLOEXEC);
        if (fd < 0 || mf_write_full(fd, command->input, command->input_size) < 0)
                return -1;
        return lseek(fd, 0, SEEK_SET) == 0 ? mf_take_fd(&fd) : -1;
}

static int make_exec_block(const struct mayfly_container *container, const struct mayfly_command *command, int *ret)
{
        struct mf_exec_block block = { 0 };

        mf_exec_block_add_all(&block, MF_EXEC_ARGV, (char *const *) (uintptr_t) command->argv);
        mf_exec_block_add(&block, MF_EXEC_ENV, "container=systemd-nspawn");
        mf_exec_block_add_all(&block, MF_EXEC_ENV, container->env);
        mf_exec_block_add_all(&block, MF_EXEC_ENV, (char *const *) (uintptr_t) command->env);
        if (command->cwd)
                mf_exec_block_add(&block, MF_EXEC_CWD, command->cwd);
        if (command->user)
                mf_exec_block_add(&block, MF_EXEC_USER, command->user);
        if (command->group)
                mf_exec_block_add(&block, MF_EXEC_GROUP, command->group);
        return mf_exec_block_finish(&block, ret);
}

/* Asks mayfly-init to run the command, whose two captures are output and error. *ret_reply is our end of the reply socket. */
static int request(struct mayfly_container *container, const struct mayfly_command *command, struct capture *captures,
                   int *ret_reply, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int reply = -1, reply_end = -1, exec_block = -1, input = -1, out = -1, error = -1;
        int *ends[2] = { &out, &error };
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_EXEC, "socketpair");
        reply = pair[0];
        reply_end = pair[1];
        for (int i = 0; i < 2; i++) {
                if (pipe2(pair, O_CLOEXEC) < 0)
                        return mf_error_errno(err, -errno, MAYFLY_STAGE_EXEC, "pipe");
                captures[i].fd = pair[0];
                *ends[i] = pair[1];
                /* So that the command can open /dev/stdout: mayfly-init hands it on to the command's user. */
                if (container->ids.base && fchown(pair[1], container->ids.base, container->ids.base) < 0)
                        return mf_error_errno(err, -errno, MAYFLY_STAGE_EXEC, "giving a pipe to the container");
                (void) fcntl(pair[0], F_SETFL, O_NONBLOCK); /* our end only: the command sees an ordinary pipe */
        }
        input = make_input(command);
        if (input < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_EXEC, "holding %zu bytes of standard input",
                                      command->input_size);
        int r = make_exec_block(container, command, &exec_block);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "the command's arguments");

        const int fds[] = { reply_end, exec_block, input, out, error };
        r = container->control < 0 ? -EPIPE
                                   : mf_message_send(container->control, &(struct mf_message){ .type = MF_MESSAGE_RUN },
                                                     fds, MF_ELEMENTSOF(fds));
        if (r < 0) {
                mf_container_receive(container); /* its last exec_block */
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, command->argv[0], err);
        }
        *ret_reply = mf_take_fd(&reply);
        return 0;
}

struct mf_command {
        struct mayfly_command options;
        struct capture captures[2];
        int reply; /* our end of the reply socket */
        uint64_t begin_us;
        int is_killed; /* its time was up */
};

size_t mf_command_poll_fds(const struct mf_command *command, struct pollfd ret[3])
{
        ret[0] = (struct pollfd){ .fd = command->reply, .events = POLLIN };
        for (int i = 0; i < 2; i++)
                ret[1 + i] = (struct pollfd){ .fd = command->captures[i].fd, .events = POLLIN };
        return 3;
}

/* Polls once, and reads output. Returns 1 when the reply socket is readable or the container ended, 0, or -errno. */
static int poll_once(struct mf_command *command, int leader_fd, int timeout_ms)
{
        struct pollfd fds[4];
        size_t n = mf_command_poll_fds(command, fds);

        fds[n] = (struct pollfd){ .fd = leader_fd, .events = POLLIN };
        if (poll(fds, n + 1, timeout_ms) < 0)
                return errno == EINTR ? 0 : -errno;
        for (size_t i = 1; i < n; i++)
                if (fds[i].revents) {
                        int r = capture_drain(&command->captures[i - 1]);
                        if (r < 0)
                                return r;
                }
        return fds[0].revents || fds[n].revents ? 1 : 0;
}

/* Says why nothing is left that could answer: the end of the app takes the container and its commands along. */
static int explain_silence(struct mayfly_container *container, const struct mayfly_command *command,
                           struct mayfly_error *err)
{
        uint64_t deadline = mf_now_us() + (uint64_t) NEWS_TIMEOUT_MS * 1000;

        while (container->control >= 0 && container->reports.app != MF_APP_ENDED && mf_now_us() < deadline)
                (void) mf_container_poll(container, NULL, 0, 100, NULL);
        if (container->control < 0 || container->reports.app == MF_APP_ENDED)
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, command->argv[0], err);
        return mf_error(err, -ESRCH, MAYFLY_STAGE_EXEC,
                        "\"%.200s\": its supervisor in %s (mayfly-command) was killed from inside the container",
                        command->argv[0], container->machine);
}

/* Looks whether the answer is there. Returns 1 when it is, or 0. */
static int take_answer(struct mayfly_container *container, struct mf_command *command, struct mf_message *ret,
                       struct mayfly_error *err)
{
        int r = mf_message_recv(command->reply, ret, NULL, NULL, NULL, MSG_DONTWAIT);

        if (r == 1)
                return 1;
        if (r == -EAGAIN) {
                (void) mf_container_poll(container, NULL, 0, 0, NULL);
                if (container->control >= 0)
                        return 0;
        }
        return explain_silence(container, &command->options, err);
}

void mf_command_kill(struct mf_command *command)
{
        (void) mf_message_send(command->reply, &(struct mf_message){ .type = MF_MESSAGE_KILL }, NULL, 0);
        command->is_killed = 1;
}

/* Waits for the answer. */
static int await_result(struct mayfly_container *container, struct mf_command *command, struct mf_message *ret,
                        int *ret_timed_out, struct mayfly_error *err)
{
        const char *name = command->options.argv[0];
        unsigned timeout_ms = command->options.timeout_ms ? command->options.timeout_ms : TIMEOUT_DEFAULT_MS;
        uint64_t deadline = command->begin_us + (uint64_t) timeout_ms * 1000;

        for (;;) {
                uint64_t now = mf_now_us();
                if (now >= deadline && !command->is_killed) {
                        mf_command_kill(command);
                        deadline = now + (uint64_t) KILL_TIMEOUT_MS * 1000;
                } else if (now >= deadline) {
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_EXEC,
                                        "\"%.200s\" in %s ran into its timeout of %u ms and could not be killed", name,
                                        container->machine, timeout_ms);
                }
                int r = poll_once(command, container->leader_fd, (int) ((deadline - now + 999) / 1000));
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "reading the output of \"%.200s\"", name);
                if (r > 0)
                        r = take_answer(container, command, ret, err);
                if (r == 1)
                        *ret_timed_out = command->is_killed && ret->value[3];
                if (r != 0)
                        return r < 0 ? r : 0;
        }
}

static int make_result(struct capture captures[2], const struct mf_message *message, int timed_out, uint64_t begin_us,
                       struct mayfly_result **ret)
{
        struct {
                struct mayfly_result public;
                struct mayfly_exit exit;
        } *made = calloc(1, sizeof(*made));

        if (!made)
                return -ENOMEM;
        for (int i = 0; i < 2; i++) {
                /* All that the command itself wrote is in the pipe by now; a child of it may go on for ever. */
                int r = capture_drain(&captures[i]);
                if (r == 0 && !captures[i].data)
                        r = capture_add(&captures[i], "", 0);
                if (r < 0) {
                        free(made);
                        return r;
                }
        }
        int exited = message->value[1] == CLD_EXITED;
        made->exit = (struct mayfly_exit){ .size = sizeof(made->exit),
                                           .exited = exited,
                                           .status = exited ? message->value[2] : 0,
                                           .signal = exited ? 0 : message->value[2] };
        made->public = (struct mayfly_result){
                .size = sizeof(made->public),
                .exit = &made->exit,
                .timed_out = timed_out,
                .out = mf_take(captures[0].data),
                .out_size = captures[0].size,
                .out_dropped = captures[0].dropped,
                .err = mf_take(captures[1].data),
                .err_size = captures[1].size,
                .err_dropped = captures[1].dropped,
                .elapsed_us = mf_now_us() - begin_us,
        };
        *ret = &made->public; /* the first member: to be freed by this pointer */
        return 0;
}

/* Turns the answer into a result. */
static int give_result(const struct mayfly_container *container, struct mf_command *command,
                       const struct mf_message *message, int timed_out, struct mayfly_result **ret,
                       struct mayfly_error *err)
{
        if (message->value[0] == ENOEXEC)
                mf_container_explain_arch(container, message->text, MAYFLY_STAGE_EXEC, err);
        if (message->value[0])
                return mf_error(err, -message->value[0], MAYFLY_STAGE_EXEC, "running in container %s: %s",
                                container->machine,
                                message->text[0] ? message->text : strerrordesc_np(message->value[0]));
        int r = make_result(command->captures, message, timed_out, command->begin_us, ret);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "the output of \"%.200s\"", command->options.argv[0])
                     : 0;
}

static int begin(struct mayfly_container *container, const struct mayfly_command *given, struct mf_command *command,
                 struct mayfly_error *err)
{
        *command =
                (struct mf_command){ .captures = { { .fd = -1 }, { .fd = -1 } }, .reply = -1, .begin_us = mf_now_us() };
        int r = mf_container_check_owner(container, err);
        if (r == 0)
                r = mf_container_check_unpaused(container, "running a command", err);
        if (r != 0)
                return r;
        r = take_command(&command->options, given, err);
        if (r != 0)
                return r;
        uint64_t max = command->options.output_max ? command->options.output_max : OUTPUT_MAX_DEFAULT;
        command->captures[0].max = command->captures[1].max = max;
        return request(container, &command->options, command->captures, &command->reply, err);
}

static void end(struct mf_command *command)
{
        command->reply = mf_close(command->reply); /* which has it killed if it still runs */
        capture_clear(&command->captures[0]);
        capture_clear(&command->captures[1]);
}

int mf_command_begin(struct mayfly_container *container, const struct mayfly_command *given, struct mf_command **ret,
                     struct mayfly_error *err)
{
        struct mf_command *command = malloc(sizeof(*command));

        if (!command)
                return mf_error_oom(err, MAYFLY_STAGE_EXEC);
        int r = begin(container, given, command, err);
        if (r < 0)
                mf_command_end(command);
        else
                *ret = command;
        return r;
}

int mf_command_step(struct mayfly_container *container, struct mf_command *command, struct mayfly_result **ret,
                    struct mayfly_error *err)
{
        struct mf_message message = { 0 };

        int r = poll_once(command, container->leader_fd, 0);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "reading the output of \"%.200s\"",
                                      command->options.argv[0]);
        if (r > 0)
                r = take_answer(container, command, &message, err);
        if (r <= 0)
                return r;
        r = give_result(container, command, &message, command->is_killed && message.value[3], ret, err);
        return r < 0 ? r : 1;
}

struct mf_command *mf_command_end(struct mf_command *command)
{
        if (command)
                end(command);
        free(command);
        return NULL;
}

MF_EXPORT int mayfly_container_run(struct mayfly_container *container, const struct mayfly_command *given,
                                   struct mayfly_result **ret, struct mayfly_error *err)
{
        struct mf_message message = { 0 };
        struct mf_command command;
        int timed_out = 0;

        if (!container || !given || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_run() needs a container, a command and a place for its result");
        int r = begin(container, given, &command, err);
        if (r == 0)
                r = await_result(container, &command, &message, &timed_out, err);
        if (r == 0)
                r = give_result(container, &command, &message, timed_out, ret, err);
        end(&command);
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
