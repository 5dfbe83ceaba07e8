/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* PID 1 never frees and never fails softly: when it ends, the kernel ends everything else in the container. */

static struct {
        int control, owner, log, signals; /* descriptors, all close-on-exec */
        pid_t app;                        /* 0: none */
        int stopping;
        int64_t deadline_ms; /* then the app has had its time; 0: none */
} self = { .control = -1, .owner = -1, .log = -1, .signals = -1 };

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static _Noreturn void die(const char *what, int r)
{
        dprintf(2, "mayfly-init: %s: %s\n", what, strerrordesc_np(-r));
        _exit(1);
}

static void send_message(enum mf_message_type type, int a, int b, const char *text)
{
        struct mf_message message = { .type = type, .value = { a, b } };

        if (text)
                snprintf(message.text, sizeof(message.text), "%s", text);
        int r = mf_message_send(self.control, &message, NULL, 0);
        if (r < 0)
                die("telling the library", r); /* which would wait in vain */
}

/* The library's first message was queued before we were born. */
static void receive_start(struct mf_words *words)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        self.control = fcntl(0, F_DUPFD_CLOEXEC, 3);
        if (self.control < 0)
                die("no control socket on standard input; mayfly-init is for mayfly-launch to start", -errno);
        int r = mf_message_recv(self.control, &message, fds, &n_fds, NULL, 0);
        if (r == 0)
                _exit(0); /* the owner is gone already */
        if (r < 0)
                die("reading the first message; is this mayfly-init from another version of mayfly?", r);
        if (message.type != MF_MESSAGE_START || n_fds != 3)
                die("the first message", -EPROTO);
        self.owner = fds[0];
        r = mf_log_open(fds[1]);
        if (r < 0)
                die("the log", r);
        close(fds[1]);
        r = mf_words_read(fds[2], words);
        if (r < 0)
                die("the app's words", r);
        close(fds[2]);

        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, 0) < 0)
                die("/dev/null", -errno);
        close(null);
}

static void set_up_signals(void)
{
        sigset_t mask;

        /* Everything is taken from the descriptor; blocked signals reach even a PID 1. */
        sigfillset(&mask);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        self.signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (self.signals < 0)
                die("signalfd", -errno);
        /* nspawn, when killed, would leave us running. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NAME, "mayfly-init");
}

static void start_app(const struct mf_words *words)
{
        char text[232] = "";
        int pipe_fds[2];

        if (!words->argv[0])
                return;
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (null < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0 || fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK) < 0)
                die("the app's standard descriptors", -errno);
        /* One pipe for both, so that the log keeps their order. */
        const int stdio[3] = { null, pipe_fds[1], pipe_fds[1] };
        pid_t pid = mf_spawn(words, stdio, 0, text, sizeof(text));
        close(null);
        close(pipe_fds[1]);
        self.log = pipe_fds[0];
        if (pid < 0) {
                send_message(MF_MESSAGE_APP, -pid, 0, text);
                _exit(0);
        }
        self.app = pid;
        send_message(MF_MESSAGE_APP, 0, 0, NULL);
}

static void stop(int signal_number, int timeout_ms)
{
        if (!self.app)
                _exit(0);
        if (self.stopping)
                return;
        self.stopping = 1;
        kill(self.app, signal_number);
        kill(self.app, SIGCONT);
        self.deadline_ms = now_ms() + timeout_ms;
}

static void run(const int *fds)
{
        pid_t pid = fork();

        if (pid == 0) {
                struct mf_words words;
                struct mf_message result = { .type = MF_MESSAGE_RESULT };

                close(self.control);
                close(self.owner);
                close(self.signals);
                if (self.log >= 0)
                        close(self.log);
                int r = mf_words_read(fds[1], &words);
                close(fds[1]);
                if (r == 0)
                        mf_supervise(&words, fds[0], fds + 2);
                result.value[0] = -r;
                (void) mf_message_send(fds[0], &result, NULL, 0);
                _exit(0);
        }
        if (pid < 0) {
                struct mf_message result = { .type = MF_MESSAGE_RESULT, .value = { errno } };
                snprintf(result.text, sizeof(result.text), "the container cannot fork");
                (void) mf_message_send(fds[0], &result, NULL, 0);
        }
}

static void on_control(void)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(self.control, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return;
        if (r <= 0)
                _exit(0); /* the lifeline: nobody owns us any more */
        if (message.type == MF_MESSAGE_RUN && n_fds == 5)
                run(fds);
        else if (message.type == MF_MESSAGE_STOP)
                stop(message.value[0], message.value[1]);
        for (size_t i = 0; i < n_fds; i++)
                close(fds[i]);
}

static void on_app_end(const siginfo_t *info)
{
        /* A daemon that lives on may hold the pipe open: take what is there, then go. */
        for (unsigned i = 0; self.log >= 0 && i < 64; i++) {
                struct pollfd log = { .fd = self.log, .events = POLLIN };
                if (poll(&log, 1, 0) <= 0 || mf_log_drain(self.log) == 0)
                        break;
        }
        send_message(MF_MESSAGE_EXIT, info->si_code, info->si_status, NULL);
        _exit(0);
}

static void on_signal(void)
{
        struct signalfd_siginfo signal_info;

        while (read(self.signals, &signal_info, sizeof(signal_info)) == (ssize_t) sizeof(signal_info))
                if (signal_info.ssi_signo == SIGTERM || (int) signal_info.ssi_signo == SIGRTMIN + 4)
                        stop(SIGTERM, 5000); /* `machinectl poweroff` and the like */

        for (;;) {
                siginfo_t info = { 0 };
                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                        return;
                if (info.si_pid == self.app)
                        on_app_end(&info);
        }
}

static _Noreturn void loop(void)
{
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = self.owner, .events = POLLIN },
                        { .fd = self.control, .events = POLLIN },
                        { .fd = self.signals, .events = POLLIN },
                        { .fd = self.log, .events = POLLIN },
                };
                int timeout = -1;
                if (self.deadline_ms) {
                        int64_t left = self.deadline_ms - now_ms();
                        if (left <= 0) {
                                kill(self.app, SIGKILL);
                                self.deadline_ms = 0;
                        } else {
                                timeout = (int) left;
                        }
                }
                if (poll(fds, 4, timeout) < 0)
                        continue;
                if (fds[0].revents)
                        _exit(0); /* the lifeline again: holds even when a child of the owner kept the socket */
                if (fds[1].revents)
                        on_control();
                if (fds[3].revents && mf_log_drain(self.log) == 0) {
                        close(self.log);
                        self.log = -1;
                }
                if (fds[2].revents)
                        on_signal();
        }
}

int main(void)
{
        struct mf_words words;
        char text[232] = "";

        if (getpid() != 1) {
                dprintf(2, "mayfly-init: only for use as PID 1 of a container, started by mayfly-launch\n");
                return 1;
        }
        set_up_signals();
        receive_start(&words);
        int r = mf_confine(text, sizeof(text));
        if (r < 0) {
                dprintf(2, "mayfly-init: %s\n", text);
                return 1;
        }
        send_message(MF_MESSAGE_READY, 0, 0, NULL);
        start_app(&words);
        loop();
}
