/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "init/init.h"

/* One command, with the process that waits for it. */
struct command {
        pid_t pid;
        int reply, signals;
        int64_t deadline_ms; /* 0: none */
        siginfo_t end;
};

/* Takes the ends of children. Returns 1 when the command is among them. */
static int has_ended(struct command *command)
{
        siginfo_t info = { 0 };

        while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) == 0 && info.si_pid != 0) {
                if (info.si_pid == command->pid) {
                        command->end = info;
                        return 1;
                }
                info.si_pid = 0; /* an orphan of the command's */
        }
        return 0;
}

/* Takes what the library wants. Returns 1 for KILL, and when nobody waits for the answer any more. */
static int is_to_be_killed(const struct command *command)
{
        struct mf_message message;

        /* Taken off the queue: a socket closed with something unread resets, and the answer is lost. */
        int r = mf_message_recv(command->reply, &message, NULL, NULL, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return 0;
        if (r != 1 || message.type != MF_MESSAGE_SIGNAL)
                return 1;
        (void) kill(command->pid, message.value[0]); /* not reaped yet, so that the number is its own */
        return 0;
}

/* Waits until the command ends, or kills it. Returns which of enum mf_kill it was. */
static enum mf_kill watch(struct command *command)
{
        struct pollfd fds[] = { { .fd = command->signals, .events = POLLIN },
                                { .fd = command->reply, .events = POLLIN } };
        enum mf_kill why = MF_KILL_NONE;

        while (why == MF_KILL_NONE && !has_ended(command)) {
                int64_t left = command->deadline_ms ? command->deadline_ms - mf_now_ms() : -1;
                if (command->deadline_ms && left <= 0) {
                        why = MF_KILL_TIMEOUT;
                        continue;
                }
                if (poll(fds, 2, left > INT32_MAX ? INT32_MAX : (int) left) <= 0)
                        continue;
                struct signalfd_siginfo drained;
                if (fds[0].revents)
                        (void) !read(command->signals, &drained, sizeof(drained));
                if (fds[1].revents && is_to_be_killed(command))
                        why = MF_KILL_ASKED;
        }
        if (why != MF_KILL_NONE)
                mf_kill_descendants(command->pid, &command->end);
        return why;
}

/* Starts the command and tells the library. Returns its PID, or -errno with text in `result`. */
static pid_t start(const struct mf_exec *exec, const struct mf_message *request, const int *fds, size_t n_fds,
                   struct mf_message *result)
{
        struct mf_message started = { .type = MF_MESSAGE_STARTED };
        int master = -1, terminal = -1;

        if (request->value[0]) {
                int r = mf_terminal_open(request->value[1], request->value[2], &master, &terminal, result->text,
                                         sizeof(result->text));
                if (r < 0)
                        return r;
        }
        const int terminals[3] = { terminal, terminal, terminal };
        pid_t pid = mf_spawn(exec->argv, exec, master >= 0 ? terminals : fds + 2, NULL, 1, result->text,
                             sizeof(result->text));
        for (size_t i = 2; i < n_fds; i++)
                close(fds[i]);
        started.value[0] = pid;
        if (pid > 0) /* a library that is gone is noticed later */
                (void) mf_message_send(fds[0], &started, &master, master >= 0);
        if (master >= 0) {
                close(master);
                close(terminal);
        }
        return pid;
}

_Noreturn void mf_supervise(const struct mf_exec *exec, const struct mf_message *request, const int *fds, size_t n_fds)
{
        struct command command = { .reply = fds[0] };
        struct mf_message result = { .type = MF_MESSAGE_RESULT };
        sigset_t mask;

        prctl(PR_SET_NAME, "mayfly-command");
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        sigemptyset(&mask);
        sigaddset(&mask, SIGCHLD);
        /* SIGCHLD is blocked already, as in PID 1. */
        command.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (request->value[3] > 0)
                command.deadline_ms = mf_now_ms() + request->value[3];
        command.pid = command.signals < 0 ? -errno : start(exec, request, fds, n_fds, &result);
        if (command.pid < 0) {
                result.value[0] = -command.pid;
        } else {
                result.value[3] = watch(&command);
                result.value[1] = command.end.si_code;
                result.value[2] = command.end.si_status;
        }
        (void) mf_message_send(command.reply, &result, NULL, 0);
        _exit(0);
}
