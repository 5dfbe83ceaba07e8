/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/command.h"
#include "container/container.h"
#include "container/life.h"
#include "image/open.h"
#include "protocol/exec-block.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"
#include "util/time.h"
#include "util/timeout.h"

#define OUTPUT_MAX_DEFAULT (UINT64_C(16) << 20)
#define ROWS_DEFAULT 24U
#define COLUMNS_DEFAULT 80U
#define SIZE_MAX_OF_TERMINAL 65535U
#define CTRL_D "\4"

static int check_terminal(const struct mayfly_command *command, int is_background, struct mayfly_error *err)
{
        if (!command->tty && (command->rows || command->columns))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command has rows or columns, but no terminal; set tty, or leave them 0");
        if (command->rows > SIZE_MAX_OF_TERMINAL || command->columns > SIZE_MAX_OF_TERMINAL)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command's terminal has %u rows and %u columns; each can be up to %u",
                                command->rows, command->columns, SIZE_MAX_OF_TERMINAL);
        if (command->tty && command->on_error)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command has both tty and on_error; all output of a terminal is standard output");
        if (command->tty && is_background && command->input)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command has both tty and input; write to its terminal with mayfly_exec_write()");
        return 0;
}

static struct mf_app_words words_of(const struct mayfly_command *command, const struct mf_image_config *config)
{
        if (command->as_app)
                return mf_app_words(config, command->entrypoint, command->argv);
        return (struct mf_app_words){ NULL, command->argv };
}

static int check_program(const struct mayfly_command *command, const struct mf_image_config *config,
                         struct mayfly_error *err)
{
        const struct mf_app_words words = words_of(command, config);
        const char *program = mf_app_program(&words);

        if (command->entrypoint && !command->as_app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the command has an entrypoint without as_app; put all words into argv, or set as_app");
        if (program && *program)
                return 0;
        if (command->as_app && !command->argv && !command->entrypoint)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "image %s has no app to run; give the command an argv that names a program of the image",
                        config->name);
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the command has no argv[0]; name a program of the container");
}

static int take_command(struct mayfly_command *command, const struct mayfly_command *given,
                        const struct mf_image_config *config, int is_background, struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the command", "MAYFLY_COMMAND_INIT", struct mayfly_command, entrypoint);

        *command = (struct mayfly_command) MAYFLY_COMMAND_INIT;
        int r = mf_options_take(command, given, &kind, err);
        if (r < 0)
                return r;
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
        r = check_program(command, config, err);
        if (r == 0)
                r = check_terminal(command, is_background, err);
        return r < 0 ? r : mf_env_check(command->env, "the command's env", MAYFLY_STAGE_SPEC, err);
}

/* What goes to mayfly-init: the descriptors, which are closed here afterwards. */
struct request {
        struct mf_message message;
        int reply, exec_block, stdio[3];
};

static void clear_request(struct request *request)
{
        request->reply = mf_close(request->reply);
        request->exec_block = mf_close(request->exec_block);
        for (int i = 0; i < 3; i++)
                request->stdio[i] = mf_close(request->stdio[i]);
}

/* Makes a pipe of which we keep one end. `ours` is 0 to read or 1 to write. Returns 0 or -errno. */
static int make_pipe(const struct mayfly_container *container, int ours, int *ret_ours, int *ret_theirs)
{
        int pair[2];

        if (pipe2(pair, O_CLOEXEC) < 0)
                return -errno;
        *ret_ours = pair[ours];
        *ret_theirs = pair[!ours];
        (void) fcntl(*ret_ours, F_SETFL, O_NONBLOCK); /* our end only: the command sees an ordinary pipe */
        /* So that the command can open /dev/stdout: mayfly-init hands it on to the command's user. */
        if (container->ids.base && fchown(*ret_theirs, container->ids.base, container->ids.base) < 0)
                return -errno;
        return 0;
}

/* Standard input that is known is a file in memory: it can be reopened, never blocks, and its reader may stop early. */
static int make_input_file(const struct mayfly_command *command)
{
        if (command->input_size == 0)
                return open("/dev/null", O_RDONLY | O_CLOEXEC);

        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-input", MFD_CLOEXEC);
        if (fd < 0 || mf_write_full(fd, command->input, command->input_size) < 0)
                return -1;
        return lseek(fd, 0, SEEK_SET) == 0 ? mf_take_fd(&fd) : -1;
}

/* Keeps what is to be typed into the terminal of a command that is waited for, up to its end of file: a Ctrl-D, or two, because one in
 * a line only ends the reading of that line. Returns 0 or -ENOMEM. */
static int keep_terminal_input(struct mayfly_exec *exec, const struct mayfly_command *command)
{
        const char *input = command->input;
        size_t size = command->input_size;
        int in_line = size > 0 && input[size - 1] != '\n';

        int r = size > 0 ? mf_buffer_add(&exec->terminal_input, input, size) : 0;
        return r < 0 ? r : mf_buffer_add(&exec->terminal_input, CTRL_D CTRL_D, in_line ? 2 : 1);
}

/* Makes the standard descriptors, or what is needed for a terminal. Returns 0 or -errno. */
static int make_stdio(const struct mayfly_container *container, const struct mayfly_command *command,
                      struct mayfly_exec *exec, struct request *request)
{
        if (command->tty)
                return exec->is_background ? 0 : keep_terminal_input(exec, command);
        int r = 0;
        if (exec->is_background && !command->input)
                r = make_pipe(container, 1, &exec->input, &request->stdio[0]);
        else if ((request->stdio[0] = make_input_file(command)) < 0)
                r = -errno;
        for (int i = 0; r == 0 && i < 2; i++)
                r = make_pipe(container, 0, &exec->captures[i].fd, &request->stdio[1 + i]);
        return r;
}

static int make_exec_block(const struct mayfly_container *container, const struct mayfly_command *command, int *ret)
{
        const struct mf_image_config *config = container->image->config;
        const struct mf_app_words words = words_of(command, config);
        struct mf_exec_block block = { 0 };

        mf_exec_block_add_all(&block, MF_EXEC_ARGV, (char *const *) (uintptr_t) words.entrypoint);
        mf_exec_block_add_all(&block, MF_EXEC_ARGV, (char *const *) (uintptr_t) words.arguments);
        mf_exec_block_add(&block, MF_EXEC_ENV, "container=systemd-nspawn");
        if (command->tty)
                mf_exec_block_add(&block, MF_EXEC_ENV, "TERM=xterm");
        mf_exec_block_add_all(&block, MF_EXEC_ENV, container->env);
        mf_exec_block_add_all(&block, MF_EXEC_ENV, (char *const *) (uintptr_t) command->env);
        const char *cwd = command->cwd || !command->as_app ? command->cwd : config->cwd;
        if (cwd)
                mf_exec_block_add(&block, MF_EXEC_CWD, cwd);
        if (command->as_app)
                mf_container_add_who(container, command->user, &block);
        else if (command->user)
                mf_exec_block_add(&block, MF_EXEC_USER, command->user);
        if (command->group)
                mf_exec_block_add(&block, MF_EXEC_GROUP, command->group);
        return mf_exec_block_finish(&block, ret);
}

/* Makes all that the request consists of. Returns 0 or -errno. */
static int make_request(const struct mayfly_container *container, const struct mayfly_command *command,
                        struct mayfly_exec *exec, struct request *request)
{
        unsigned rows = command->rows ? command->rows : ROWS_DEFAULT;
        unsigned columns = command->columns ? command->columns : COLUMNS_DEFAULT;
        int pair[2];

        request->message = (struct mf_message){ .type = MF_MESSAGE_RUN,
                                                .value = { exec->is_terminal, (int32_t) rows, (int32_t) columns,
                                                           (int32_t) exec->timeout_ms } };
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        exec->reply = pair[0];
        request->reply = pair[1];
        int r = make_stdio(container, command, exec, request);
        return r < 0 ? r : make_exec_block(container, command, &request->exec_block);
}

static int send_request(struct mayfly_container *container, const struct request *request, uint64_t deadline_us)
{
        const int fds[] = { request->reply, request->exec_block, request->stdio[0], request->stdio[1],
                            request->stdio[2] };
        size_t n = request->message.value[0] ? 2 : MF_ELEMENTSOF(fds);

        return mf_container_send(container, &request->message, fds, n, deadline_us);
}

static int explain_request(int r, const struct mayfly_exec *exec, struct mayfly_error *err)
{
        if (r == -EMFILE || r == -ENFILE)
                return mf_error(err, r, MAYFLY_STAGE_EXEC,
                                "\"%.200s\" in %s: this process has no descriptor left: %s; raise RLIMIT_NOFILE "
                                "(ulimit -n), or free commands in the background, which have up to four each",
                                exec->program, exec->machine, strerrordesc_np(-r));
        return mf_error_errno(err, r, MAYFLY_STAGE_EXEC, "preparing \"%.200s\" for %s", exec->program, exec->machine);
}

/* Asks mayfly-init to run the command. */
static int ask(struct mayfly_container *container, const struct mayfly_command *command, struct mayfly_exec *exec,
               struct mayfly_error *err)
{
        mf_cleanup(clear_request) struct request request = { .reply = -1, .exec_block = -1, .stdio = { -1, -1, -1 } };
        unsigned timeout_ms = exec->timeout_ms ? exec->timeout_ms : mf_timeout_ms(MF_COMMAND_TIMEOUT_MS);

        int r = make_request(container, command, exec, &request);
        if (r < 0)
                return explain_request(r, exec, err);
        r = send_request(container, &request, exec->begin_us + (uint64_t) timeout_ms * 1000);
        if (r == -ETIMEDOUT)
                return mf_error(err, r, MAYFLY_STAGE_EXEC,
                                "\"%.200s\": container %s did not take the command within %u ms", exec->program,
                                exec->machine, timeout_ms);
        if (r < 0) {
                mf_container_receive(container); /* its last words */
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, exec->program, err);
        }
        return 0;
}

static unsigned timeout_of(const struct mayfly_container *container, const struct mayfly_command *command,
                           int is_background)
{
        unsigned timeout_ms = command->timeout_ms;

        if (!timeout_ms && !is_background)
                timeout_ms =
                        container->spec.command_timeout_ms ? container->spec.command_timeout_ms : MF_COMMAND_TIMEOUT_MS;
        timeout_ms = mf_timeout_ms(timeout_ms);
        return timeout_ms > INT32_MAX ? INT32_MAX : timeout_ms; /* 24 days */
}

/* Makes the handle. Returns NULL when there is no memory. */
static struct mayfly_exec *make_exec(struct mayfly_container *container, const struct mayfly_command *command,
                                     int is_background)
{
        struct mayfly_exec *exec = calloc(1, sizeof(*exec));
        const mayfly_output_fn callbacks[] = { command->on_output, command->on_error };
        const struct mf_app_words words = words_of(command, container->image->config);

        if (!exec)
                return NULL;
        exec->reply = exec->input = -1;
        exec->begin_us = mf_now_us();
        exec->is_background = is_background;
        exec->is_terminal = command->tty != 0;
        exec->timeout_ms = timeout_of(container, command, is_background);
        for (int i = 0; i < 2; i++)
                exec->captures[i] =
                        (struct mf_capture){ .is_terminal = exec->is_terminal,
                                             .fd = -1,
                                             .max = command->output_max ? command->output_max : OUTPUT_MAX_DEFAULT,
                                             .callback = callbacks[i],
                                             .userdata = command->userdata };
        memcpy(exec->machine, container->machine, sizeof(exec->machine));
        exec->life = container->life;
        mf_command_init_input(exec);
        exec->anchor = mf_anchor_ref(container->anchor);
        exec->program = strdup(mf_app_program(&words));
        return exec->program ? exec : mf_command_end(exec);
}

int mf_command_begin(struct mayfly_container *container, const struct mayfly_command *given, int is_background,
                     struct mayfly_exec **ret, struct mayfly_error *err)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;

        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_unpaused(container, "running a command", err);
        if (r == 0)
                r = take_command(&command, given, container->image->config, is_background, err);
        if (r < 0)
                return r;
        struct mayfly_exec *exec = make_exec(container, &command, is_background);
        if (!exec)
                return mf_error_oom(err, MAYFLY_STAGE_EXEC);
        r = ask(container, &command, exec, err);
        if (r < 0)
                mf_command_end(exec);
        else
                *ret = exec;
        return r;
}

struct mayfly_exec *mf_command_end(struct mayfly_exec *exec)
{
        if (!exec)
                return NULL;
        int is_ours = exec->anchor->owner == getpid();
        if (is_ours && exec->reply >= 0 && !exec->heard.has_ended)
                mf_command_kill(exec);
        exec->reply = mf_close(exec->reply);
        if (!exec->is_terminal)
                exec->input = mf_close(exec->input);
        for (int i = 0; i < 2; i++)
                mf_capture_clear(&exec->captures[i]);
        mf_buffer_clear(&exec->terminal_input);
        if (is_ours) /* in a forked child, the count is of another process */
                mf_anchor_unref(exec->anchor);
        pthread_cond_destroy(&exec->input_free);
        pthread_mutex_destroy(&exec->input_lock);
        free(exec->program);
        free(exec);
        return NULL;
}
