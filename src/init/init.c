/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "init/init.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol/usage.h"

/* PID 1 never frees and never fails softly: when it ends, the kernel ends everything else in the container. */

enum phase { IDLE, PRE_START, APP, POST_STOP };

/* A pipe whose other end programs get that we start. */
struct output {
        int pipe, end;
        enum mf_log_stream stream;
};

static struct {
        int signals;              /* descriptors, all close-on-exec */
        struct output outputs[2]; /* what the app and its hooks write: all of it, or output and error output */
        int notify;               /* socket of $NOTIFY_SOCKET, or -1 */
        int was_notified;
        struct mf_exec exec; /* the app's */
        struct sock_fprog filter;
        struct mf_sockets sockets;
        struct mf_passed passed;
        enum phase phase;
        pid_t current; /* of the phase: the app or a hook; 0: none */
        int host_network;
        int waits_for_go; /* the app does, until the library says so */
        int stopping;
        int64_t deadline_ms; /* then it has had its time; 0: none */
} self = { .signals = -1, .notify = -1, .outputs = { { .pipe = -1, .end = -1 }, { .pipe = -1, .end = -1 } } };

int64_t mf_now_ms(void)
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

static void report(const struct mf_message *message)
{
        int r = mf_channels_report(message);

        if (r < 0)
                die("telling the library", r); /* which would wait in vain */
}

static void send_message(enum mf_message_type type, int a, int b, const char *text)
{
        struct mf_message message = { .type = type, .value = { a, b } };

        if (text)
                snprintf(message.text, sizeof(message.text), "%s", text);
        report(&message);
}

/* Maps the app's filter, which stays mapped. */
static void read_filter(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                die("the app's filter", -errno);
        void *map = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
                die("the app's filter", -errno);
        self.filter = (struct sock_fprog){ (unsigned short) ((size_t) st.st_size / sizeof(struct sock_filter)), map };
        self.exec.confinement.filter = &self.filter;
}

/* The library's first message was queued before we were born. */
static void receive_start(void)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int control = fcntl(0, F_DUPFD_CLOEXEC, 3);
        if (control < 0)
                die("no control socket on standard input; mayfly-init is for mayfly-launch to start", -errno);
        int r = mf_message_recv(control, &message, fds, &n_fds, NULL, 0);
        if (r == 0)
                _exit(0); /* the owner is gone already */
        if (r < 0)
                die("reading the first message; is this mayfly-init from another version of mayfly?", r);
        const size_t n_own = 3U + (message.value[0] != 0);
        if (message.type != MF_MESSAGE_START || n_fds < n_own || n_fds - n_own > MF_ACTIVATED_MAX)
                die("the first message", -EPROTO);
        self.passed.n = n_fds - n_own;
        memcpy(self.passed.fds, fds + n_own, self.passed.n * sizeof(int));
        self.host_network = message.value[1];
        self.waits_for_go = message.value[2];
        r = mf_channels_open(control, fds[2]);
        if (r < 0)
                die("the control socket", r);
        r = mf_log_open(fds[0]);
        if (r < 0)
                die("the log", r);
        r = mf_exec_block_read(fds[1], &self.exec);
        if (r < 0)
                die("the exec block of the app", r);
        if (message.value[0])
                read_filter(fds[3]);
        r = self.exec.notify ? mf_notify_open(self.exec.notify, &self.notify) : 0;
        if (r < 0)
                die("the socket of NOTIFY_SOCKET", r);
        for (size_t i = 0; i < n_own; i++)
                if (i != 2)
                        close(fds[i]);

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
        /* Root inside must get at neither our memory nor our descriptors, the control socket among them. Children are
         * the same until they execute a program. */
        if (prctl(PR_SET_DUMPABLE, 0) < 0)
                die("PR_SET_DUMPABLE", -errno);
}

/* Makes the pipes for what the app and its hooks write. */
static void open_outputs(void)
{
        static const enum mf_log_stream streams[] = { MF_LOG_OUTPUT, MF_LOG_ERROR };
        int separate = mf_log_is_separate();

        for (int i = 0; i < 1 + separate; i++) {
                int fds[2];
                if (pipe2(fds, O_CLOEXEC) < 0 || fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0)
                        die("the app's standard descriptors", -errno);
                self.outputs[i] = (struct output){ fds[0], fds[1], separate ? streams[i] : MF_LOG_MERGED };
        }
}

/* Closes a descriptor, if it is one, and forgets it. */
static void close_end(int *fd)
{
        if (*fd >= 0)
                close(*fd);
        *fd = -1;
}

/* Writes down what is in a pipe, and closes it at its end. */
static void drain_output(struct output *output)
{
        if (mf_log_drain(output->pipe, output->stream, self.exec.boot) == 0)
                close_end(&output->pipe);
}

/* Writes down what the app and its hooks said, as far as it can be had without waiting. */
static void drain_log(void)
{
        for (unsigned i = 0; i < 64; i++) {
                struct pollfd fds[] = { { .fd = self.outputs[0].pipe, .events = POLLIN },
                                        { .fd = self.outputs[1].pipe, .events = POLLIN } };
                if (poll(fds, 2, 0) <= 0)
                        break;
                for (unsigned j = 0; j < 2; j++)
                        if (fds[j].revents)
                                drain_output(&self.outputs[j]);
        }
}

static _Noreturn void give_up(int error, const char *text)
{
        drain_log();
        send_message(MF_MESSAGE_APP, error, 0, text);
        _exit(0);
}

/* The app or a hook of it. 0, or -errno with text. */
static int begin(enum phase phase, char *const *argv, const struct mf_sockets *sockets, char *text, size_t text_size)
{
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (null < 0)
                return -errno;
        /* One pipe for both, so that the log keeps their order, unless the spec wants to tell them apart. */
        int out = self.outputs[0].end;
        const int stdio[3] = { null, out, mf_log_is_separate() ? self.outputs[1].end : out };
        pid_t pid = mf_spawn(argv, &self.exec, stdio, sockets, 0, text, text_size);
        close(null);
        if (pid < 0)
                return pid;
        self.current = pid;
        self.phase = phase;
        return 0;
}

static void start_app(void)
{
        char text[232] = "";

        int r = self.exec.boot ? mf_boot_prepare(self.exec.argv, &self.outputs[0].pipe, &self.outputs[0].end, text,
                                                 sizeof(text))
                               : mf_sockets_open(self.exec.sockets, &self.passed, &self.sockets, text, sizeof(text));
        if (r == 0)
                r = begin(APP, self.exec.argv, &self.sockets, text, sizeof(text));
        mf_sockets_close(&self.sockets);
        /* The console stays open here, so that there is no end to read. */
        if (r == 0 && !self.exec.post_stop[0] && !self.exec.boot) {
                close_end(&self.outputs[0].end);
                close_end(&self.outputs[1].end);
                r = mf_confine_fully(text, sizeof(text));
        }
        if (r < 0)
                give_up(-r, text);
        send_message(MF_MESSAGE_APP, 0, 0, NULL);
}

/* The app, when there is one, after its pre-start hook. */
static void start(void)
{
        char text[232] = "", said[200] = "";

        int r = mf_root_protect();
        if (r < 0)
                die("making the root read-only", r);
        if (!self.exec.argv[0])
                return;
        if (!self.exec.boot)
                open_outputs();
        if (!self.exec.pre_start[0]) {
                start_app();
                return;
        }
        r = begin(PRE_START, self.exec.pre_start, NULL, said, sizeof(said));
        if (r < 0) {
                snprintf(text, sizeof(text), "its pre-start hook: %s", said);
                give_up(-r, text);
        }
        send_message(MF_MESSAGE_HOOK, 0, 0, NULL);
}

static void stop(int signal_number, int timeout_ms)
{
        if (!self.current)
                _exit(0);
        if (self.stopping || self.phase == POST_STOP)
                return;
        self.stopping = 1;
        kill(self.current, signal_number);
        kill(self.current, SIGCONT);
        self.deadline_ms = mf_now_ms() + timeout_ms;
}

/* Sends the app, or the hook in its place, a signal. */
static void send_signal(int signal_number)
{
        if (self.current)
                kill(self.current, signal_number);
}

static void run(const struct mf_message *request, const int *fds, size_t n_fds)
{
        pid_t pid = fork();

        if (pid == 0) {
                struct mf_exec exec;
                struct mf_message result = { .type = MF_MESSAGE_RESULT };

                mf_channels_close();
                close(self.signals);
                for (int i = 0; i < 2; i++) {
                        close_end(&self.outputs[i].pipe);
                        close_end(&self.outputs[i].end);
                }
                close_end(&self.notify);
                int r = mf_confine_fully(result.text, sizeof(result.text));
                if (r == 0)
                        r = mf_exec_block_read(fds[1], &exec);
                close(fds[1]);
                if (r == 0) {
                        exec.ulimits = self.exec.ulimits;
                        mf_supervise(&exec, request, fds, n_fds);
                }
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

/* Tells the library whether a file is there, and its mode. */
static void look(int reply, const char *path)
{
        struct mf_message result = { .type = MF_MESSAGE_RESULT };
        struct stat st;

        if (stat(path, &st) < 0)
                result.value[0] = errno;
        else
                result.value[1] = (int32_t) st.st_mode;
        (void) mf_message_send(reply, &result, NULL, 0);
}

/* Tells the library that all is in the log that the app had written when the library asked. */
static void drain(int reply)
{
        const struct mf_message result = { .type = MF_MESSAGE_RESULT };

        for (unsigned i = 0; i < 2; i++)
                if (self.outputs[i].pipe >= 0)
                        drain_output(&self.outputs[i]);
        (void) mf_message_send(reply, &result, NULL, 0);
}

static void on_notify(void)
{
        int is_ready = mf_notify_receive(self.notify, self.exec.boot ? self.current : 0);

        if (!is_ready || self.was_notified || self.phase != APP)
                return;
        self.was_notified = 1;
        send_message(MF_MESSAGE_NOTIFIED, 0, 0, NULL);
}

static void obey(const struct mf_message *message, const int *fds, size_t n_fds, int may_stop)
{
        if (message->type == MF_MESSAGE_RUN && n_fds == (message->value[0] ? 2 : 5))
                run(message, fds, n_fds);
        else if (message->type == MF_MESSAGE_LOOK && n_fds == 1)
                look(fds[0], message->text);
        else if (message->type == MF_MESSAGE_DRAIN && n_fds == 1)
                drain(fds[0]);
        else if (message->type == MF_MESSAGE_STOP && may_stop)
                stop(message->value[0], message->value[1]);
        else if (message->type == MF_MESSAGE_SIGNAL)
                send_signal(message->value[0]);
        else if (message->type == MF_MESSAGE_GO && may_stop && self.waits_for_go) {
                self.waits_for_go = 0;
                start();
        }
}

static void describe(const siginfo_t *info, char *text, size_t size)
{
        if (info->si_code == CLD_EXITED)
                snprintf(text, size, "exited with status %d", info->si_status);
        else
                snprintf(text, size, "was killed by SIG%s",
                         sigabbrev_np(info->si_status) ? sigabbrev_np(info->si_status) : "?");
}

static void on_pre_start_end(const siginfo_t *info)
{
        char text[232], how[64];

        if (self.stopping)
                _exit(0);
        if (info->si_code == CLD_EXITED && info->si_status == 0) {
                start_app();
                return;
        }
        describe(info, how, sizeof(how));
        snprintf(text, sizeof(text), "its pre-start hook \"%.120s\" %s", self.exec.pre_start[0], how);
        give_up(ESRCH, text);
}

/* Tells what the container has used. Without a cgroup of its own only the time of what was waited for is known. */
static void send_usage(void)
{
        int directory = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct mf_usage usage;
        struct rusage children;
        char text[80];

        mf_usage_read(directory, &usage);
        close_end(&directory);
        if (usage.cpu_us == MF_USAGE_UNKNOWN && getrusage(RUSAGE_CHILDREN, &children) == 0)
                usage.cpu_us = (uint64_t) (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 +
                               (uint64_t) (children.ru_utime.tv_usec + children.ru_stime.tv_usec);
        mf_usage_write(&usage, text, sizeof(text));
        send_message(MF_MESSAGE_USAGE, 0, 0, text);
}

static void send_exit(const siginfo_t *info)
{
        /* stop() sets the deadline, and only the kill at that time takes it away. */
        int was_late = self.stopping && self.deadline_ms == 0;
        const struct mf_message message = { .type = MF_MESSAGE_EXIT,
                                            .value = { info->si_code, info->si_status, was_late } };

        report(&message);
}

static void on_app_end(const siginfo_t *info)
{
        char text[232] = "", line[300];

        drain_log(); /* once only: a daemon of the app may keep the pipe open */
        send_usage();
        send_exit(info);
        if (!self.exec.post_stop[0])
                _exit(0);
        int r = begin(POST_STOP, self.exec.post_stop, NULL, text, sizeof(text));
        if (r < 0) {
                snprintf(line, sizeof(line), "mayfly: the post-stop hook could not be started: %s", text);
                mf_log_note(line);
                _exit(0);
        }
        self.deadline_ms = mf_now_ms() + self.exec.hook_timeout_ms;
}

static _Noreturn void on_post_stop_end(const siginfo_t *info)
{
        char how[64], line[300];

        drain_log();
        if (info->si_code != CLD_EXITED || info->si_status != 0) {
                describe(info, how, sizeof(how));
                snprintf(line, sizeof(line), "mayfly: the post-stop hook \"%.120s\" %s%s", self.exec.post_stop[0], how,
                         self.deadline_ms ? "" : ", because it had not ended in time");
                mf_log_note(line);
        }
        _exit(0);
}

static void on_end(const siginfo_t *info)
{
        enum phase ended = self.phase;

        self.current = 0;
        self.phase = IDLE;
        if (ended == PRE_START)
                on_pre_start_end(info);
        else if (ended == APP)
                on_app_end(info);
        else
                on_post_stop_end(info);
}

static void on_signal(void)
{
        struct signalfd_siginfo signal_info;

        while (read(self.signals, &signal_info, sizeof(signal_info)) == (ssize_t) sizeof(signal_info))
                if (signal_info.ssi_signo == SIGTERM || (int) signal_info.ssi_signo == SIGRTMIN + 4)
                        stop(self.exec.boot ? SIGRTMIN + 4 : SIGTERM, 5000); /* `machinectl poweroff` and the like */

        for (;;) {
                siginfo_t info = { 0 };
                if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
                        return;
                if (info.si_pid == self.current)
                        on_end(&info);
        }
}

static _Noreturn void loop(void)
{
        for (;;) {
                struct pollfd fds[] = {
                        { .fd = mf_channels_fd(), .events = POLLIN },
                        { .fd = self.signals, .events = POLLIN },
                        { .fd = self.outputs[0].pipe, .events = POLLIN },
                        { .fd = self.outputs[1].pipe, .events = POLLIN },
                        { .fd = self.notify, .events = POLLIN },
                };
                int timeout = -1;
                if (self.deadline_ms && self.current) {
                        int64_t left = self.deadline_ms - mf_now_ms();
                        if (left <= 0) {
                                kill(self.current, SIGKILL);
                                self.deadline_ms = 0;
                        } else {
                                timeout = (int) left;
                        }
                }
                if (poll(fds, 5, timeout) < 0)
                        continue;
                if (fds[0].revents)
                        mf_channels_receive(obey);
                for (int i = 0; i < 2; i++)
                        if (fds[2 + i].revents)
                                drain_output(&self.outputs[i]);
                if (fds[4].revents)
                        on_notify();
                if (fds[1].revents)
                        on_signal();
        }
}

int main(void)
{
        char text[232] = "";

        if (getpid() != 1) {
                dprintf(2, "mayfly-init: only for use as PID 1 of a container, started by mayfly-launch\n");
                return 1;
        }
        set_up_signals();
        receive_start();
        int r = self.host_network ? 0 : mf_set_up_network(text, sizeof(text));
        if (r == 0 && !self.exec.boot) /* or mf_boot_enter() does it */
                r = mf_mask_kernel_files(text, sizeof(text));
        if (r == 0)
                r = mf_set_up(&self.exec, text, sizeof(text));
        if (r == 0)
                r = mf_confine(&self.exec, self.host_network, text, sizeof(text));
        if (r < 0) {
                dprintf(2, "mayfly-init: %s\n", text);
                return 1;
        }
        if (self.exec.confinement.oom_score_adj && !mf_confine_can_score(self.exec.confinement.oom_score_adj)) {
                self.exec.confinement.oom_score_adj = NULL;
                send_message(MF_MESSAGE_LIMITS, MF_LIMIT_OOM_SCORE, 0, NULL);
        }
        r = mf_set_up_files(&self.exec, text, sizeof(text));
        if (r < 0)
                die(text, r);
        send_message(MF_MESSAGE_READY, 0, 0, NULL);
        if (!self.waits_for_go)
                start();
        loop();
}
