/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"
#include "util/fd.h"
#include "util/macro.h"

/* What was read from one side and is not written to the other yet. */
struct stream {
        char data[65536];
        size_t begin, end;
        int is_closed; /* nothing more comes, or nobody takes it */
};

struct session {
        struct mayfly_exec *exec;
        struct run_control *control; /* or NULL */
        struct stream input, outputs[2];
        int signals; /* signalfd */
        int is_raw;
        struct termios terminal; /* as it was before */
        unsigned n_asked;        /* how often the user asked for the end */
        int has_ended;           /* the command has; what it wrote is still to be passed on */
        int status;              /* exit status; -1: the command's */
};

/* Whoever asks for the end so often does not want to wait for the command to agree. */
#define ASKED_ENOUGH 3U

static const int passed_signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP };

/* From here on signals are for the command. Returns a descriptor to read them from, or -1. */
static int hold_signals(void)
{
        sigset_t held;

        sigemptyset(&held);
        for (size_t i = 0; i < MF_ELEMENTSOF(passed_signals); i++)
                sigaddset(&held, passed_signals[i]);
        sigprocmask(SIG_BLOCK, &held, NULL);
        signal(SIGPIPE, SIG_IGN); /* what cannot be written is seen where it is written */
        return signalfd(-1, &held, SFD_CLOEXEC);
}

static void take_size(struct mayfly_command *command)
{
        struct winsize size = { 0 };

        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
                command->rows = size.ws_row;
                command->columns = size.ws_col;
        }
}

/* Our terminal passes each key on as it is, for that of the command to interpret. */
static void make_raw(struct session *session)
{
        struct termios raw;

        if (tcgetattr(STDIN_FILENO, &session->terminal) < 0)
                return;
        raw = session->terminal;
        cfmakeraw(&raw);
        session->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void restore(struct session *session)
{
        if (session->is_raw)
                (void) tcsetattr(STDIN_FILENO, TCSANOW, &session->terminal);
}

static void resize(struct session *session)
{
        struct mayfly_command size = MAYFLY_COMMAND_INIT;

        take_size(&size);
        if (size.rows && size.columns)
                (void) mayfly_exec_resize(session->exec, size.rows, size.columns, NULL);
}

/* Stops like any program that gets SIGTSTP, with the terminal as it was. */
static void pause_ourselves(struct session *session, int tty)
{
        restore(session);
        (void) raise(SIGSTOP);
        if (session->is_raw)
                make_raw(session);
        if (tty)
                resize(session);
}

/* Ends the loop; the command goes with its container. */
static void leave(struct session *session, int status)
{
        session->status = status;
        session->has_ended = 1;
        for (int i = 0; i < 2; i++) {
                session->outputs[i].is_closed = 1;
                session->outputs[i].begin = session->outputs[i].end;
        }
}

static void take_signal(struct session *session, int tty)
{
        struct signalfd_siginfo info;

        if (read(session->signals, &info, sizeof(info)) != sizeof(info))
                return;
        int number = (int) info.ssi_signo;
        int asks = number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT;
        if (asks && (session->has_ended || ++session->n_asked >= ASKED_ENOUGH))
                leave(session, RUN_SIGNALLED + number);
        else if (number == SIGTSTP)
                pause_ourselves(session, tty);
        else if (number == SIGWINCH && tty)
                resize(session);
        else if (number != SIGWINCH)
                (void) mayfly_exec_signal(session->exec, number, NULL);
}

/* Reads our input, and closes the command's at its end. */
static void read_input(struct session *session)
{
        struct stream *stream = &session->input;
        ssize_t n = read(STDIN_FILENO, stream->data, sizeof(stream->data));

        if (n > 0) {
                stream->begin = 0;
                stream->end = (size_t) n;
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
                stream->is_closed = 1;
                (void) mayfly_exec_close_input(session->exec, NULL);
        }
}

static void write_input(struct session *session)
{
        struct stream *stream = &session->input;
        ssize_t n =
                mayfly_exec_write(session->exec, stream->data + stream->begin, stream->end - stream->begin, 0, NULL);

        if (n > 0)
                stream->begin += (size_t) n;
        if (n < 0 && n != -ETIMEDOUT) { /* the command does not read any more */
                stream->is_closed = 1;
                stream->begin = stream->end;
        }
}

/* Reads what the command wrote. When it has ended, what is there is all: a process that it left may have the stream open still. */
static void read_output(struct session *session, int i)
{
        struct stream *stream = &session->outputs[i];
        ssize_t n = mayfly_exec_read(session->exec, i ? MAYFLY_STREAM_ERROR : MAYFLY_STREAM_OUTPUT, stream->data,
                                     sizeof(stream->data), 0, NULL);

        stream->begin = 0;
        stream->end = n > 0 ? (size_t) n : 0;
        if (n > 0 && session->control)
                run_control_log(session->control, stream->data, stream->end, i);
        if (n == 0 || (n < 0 && (n != -ETIMEDOUT || session->has_ended)))
                stream->is_closed = 1;
}

/* Writes no more than a pipe that has room takes at once, so that signals are heard meanwhile. Where nobody takes its output, the
 * command is ended, as SIGPIPE would have it. */
static void write_output(struct session *session, int i)
{
        struct stream *stream = &session->outputs[i];
        size_t left = stream->end - stream->begin;
        ssize_t n = write(i ? STDERR_FILENO : STDOUT_FILENO, stream->data + stream->begin,
                          left < PIPE_BUF ? left : PIPE_BUF);

        if (n > 0)
                stream->begin += (size_t) n;
        if (n >= 0 || errno == EINTR || errno == EAGAIN)
                return;
        int status = errno == EPIPE ? RUN_SIGNALLED + SIGPIPE : RUN_FAILED;
        if (errno != EPIPE)
                (void) tool_fail("%s cannot be written: %s", i ? "standard error" : "standard output", strerror(errno));
        leave(session, status);
}

/* What to wait for: signals, the command's end, our input or room for it, both outputs or room for them, and others. */
enum { SIGNALS, END, INPUT, OUTPUT, ERROR, CONTROL, N_EVENTS = CONTROL + RUN_CONTROL_FDS };

static void choose(struct session *session, struct pollfd events[N_EVENTS])
{
        const struct stream *input = &session->input;

        events[SIGNALS] = (struct pollfd){ .fd = session->signals, .events = POLLIN };
        events[END] = (struct pollfd){ .fd = -1 };
        if (!session->has_ended)
                events[END] = (struct pollfd){ .fd = mayfly_exec_fd(session->exec, MAYFLY_EXEC_END), .events = POLLIN };
        events[INPUT] = (struct pollfd){ .fd = -1 };
        if (!session->has_ended && input->begin < input->end)
                events[INPUT] =
                        (struct pollfd){ .fd = mayfly_exec_fd(session->exec, MAYFLY_EXEC_INPUT), .events = POLLOUT };
        else if (!session->has_ended && !input->is_closed)
                events[INPUT] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
        for (int i = 0; i < 2; i++) {
                const struct stream *stream = &session->outputs[i];
                struct pollfd *event = &events[OUTPUT + i];
                *event = (struct pollfd){ .fd = -1 };
                if (stream->begin < stream->end)
                        *event = (struct pollfd){ .fd = i ? STDERR_FILENO : STDOUT_FILENO, .events = POLLOUT };
                else if (!stream->is_closed)
                        *event = (struct pollfd){ .fd = mayfly_exec_fd(session->exec,
                                                                       i ? MAYFLY_EXEC_ERROR : MAYFLY_EXEC_OUTPUT),
                                                  .events = POLLIN };
        }
}

static void step_streams(struct session *session, const struct pollfd events[N_EVENTS])
{
        if (events[INPUT].revents && session->input.begin < session->input.end)
                write_input(session);
        else if (events[INPUT].revents)
                read_input(session);
        for (int i = 0; i < 2; i++) {
                const struct stream *stream = &session->outputs[i];
                if (!events[OUTPUT + i].revents)
                        continue;
                if (stream->begin < stream->end)
                        write_output(session, i);
                else
                        read_output(session, i);
        }
}

/* Whether all that the command wrote before its end has been passed on; reads what there is to read. */
static int is_drained(struct session *session)
{
        int left = 0;

        for (int i = 0; i < 2; i++) {
                struct stream *stream = &session->outputs[i];
                if (stream->begin == stream->end && !stream->is_closed)
                        read_output(session, i);
                left |= stream->begin < stream->end;
        }
        return !left;
}

static int status_of(struct session *session)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (session->status >= 0)
                return session->status;
        if (mayfly_exec_wait(session->exec, 0, &end, &err) < 0) {
                (void) tool_fail("%s", err.message);
                return RUN_FAILED;
        }
        return end.exited ? end.status : RUN_SIGNALLED + end.signal;
}

/* Waits for an event. Returns 0 when a signal that is not held came first. */
static int await(const struct session *session, struct pollfd events[N_EVENTS])
{
        const struct run_control *control = session->has_ended ? NULL : session->control;

        if (control)
                run_control_fill(control, events + CONTROL);
        return poll(events, control ? N_EVENTS : CONTROL, control ? run_control_left_ms(control) : -1) >= 0;
}

static void loop(struct session *session, int tty)
{
        struct pollfd events[N_EVENTS];

        while (!session->has_ended || !is_drained(session)) {
                choose(session, events);
                if (!await(session, events))
                        continue;
                if (session->control && !session->has_ended)
                        run_control_heed(session->control, events + CONTROL, session->exec);
                if (events[SIGNALS].revents)
                        take_signal(session, tty);
                step_streams(session, events);
                if (events[END].revents && mayfly_exec_wait(session->exec, 0, NULL, NULL) != -ETIMEDOUT)
                        session->has_ended = 1;
        }
}

int run_pass_on(struct mayfly_exec *exec, int interactive, int tty, struct run_control *control)
{
        static struct session session;

        session = (struct session){ .exec = exec, .control = control, .status = -1 };
        session.signals = hold_signals(); /* before the first output, by which a caller may go */
        if (session.signals < 0) {
                (void) tool_fail("signals cannot be received: %s", strerror(errno));
                return RUN_FAILED;
        }
        session.input.is_closed = !interactive;
        session.outputs[1].is_closed = tty;
        if (!interactive && !tty)
                (void) mayfly_exec_close_input(exec, NULL);
        if (interactive && tty)
                make_raw(&session);
        loop(&session, tty);
        restore(&session);
        session.signals = mf_close(session.signals);
        int status = status_of(&session);
        if (control)
                run_control_answer(control, status);
        return status;
}

struct mayfly_command run_make_command(struct mf_arena *memory, const char *user, const char *cwd, int tty)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;

        command.as_app = 1;
        command.cwd = cwd;
        command.tty = tty;
        if (tty)
                take_size(&command);
        run_take_user(memory, user, &command);
        return command;
}

int run_failed(int code, const struct mayfly_error *err)
{
        (void) tool_fail("%s", err->message);
        if (err->stage != MAYFLY_STAGE_EXEC)
                return RUN_FAILED;
        if (code == -ENOENT)
                return RUN_NOT_FOUND;
        return code == -EACCES || code == -ENOEXEC || code == -EISDIR ? RUN_NOT_EXECUTED : RUN_FAILED;
}

int run_command(struct mayfly_container *container, const struct mayfly_command *command, int interactive,
                struct run_control *control)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *exec = NULL;

        int r = mayfly_exec_start(&exec, container, command, &err);
        if (r < 0)
                return run_failed(r, &err);
        int status = run_pass_on(exec, interactive, command->tty, control);
        mayfly_exec_free(exec);
        return status;
}
