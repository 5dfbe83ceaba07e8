/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "container.h"
#include "error.h"
#include "util.h"

/* A copy of this process that neither raises SIGCHLD here nor shows up in the test program's own wait(2) calls. */
static pid_t fork_unnoticed(void)
{
        return (pid_t) syscall(SYS_clone, 0UL, NULL, NULL, NULL, 0UL);
}

/* In the grandchild, where only async-signal-safe functions may be called: never returns. */
static _Noreturn void execute_launch(char *const *argv, int control, int boot_log, int life)
{
        static char *const env[] = { (char *) (uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
        const int fds[4] = { control, boot_log, boot_log, life };
        int safe[4];
        sigset_t none;

        setsid(); /* the terminal's Ctrl-C is for the test program */
        sigemptyset(&none);
        for (int i = 1; i < NSIG; i++)
                signal(i, SIG_DFL);
        sigprocmask(SIG_SETMASK, &none, NULL);
        for (int i = 0; i < 4; i++)
                if ((safe[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10)) < 0)
                        _exit(127);
        for (int i = 0; i < 4; i++)
                if (dup2(safe[i], i) < 0)
                        _exit(127);
        close_range(4, ~0U, CLOSE_RANGE_UNSHARE);
        if (chdir("/") < 0)
                _exit(127);
        execve(argv[0], argv, env);
        dprintf(2, "executing %s: %s\n", argv[0], strerrordesc_np(errno));
        _exit(127);
}

/* The child in between: makes mayfly-launch nobody's child but PID 1's, and sends its pidfd. */
static _Noreturn void hand_over(char *const *argv, int control, int boot_log, int life, int report)
{
        pid_t pid = fork_unnoticed();

        if (pid == 0)
                execute_launch(argv, control, boot_log, life);
        int fd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;
        struct mf_message message = { .type = MF_MESSAGE_READY, .value = { fd < 0 ? errno : 0 } };
        (void) mf_message_send(report, &message, &fd, fd < 0 ? 0 : 1);
        _exit(0);
}

static int start(struct mayfly_container *container, char *const *argv, int control, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int life_end = -1, report = -1, report_end = -1;
        struct mf_message message;
        int pair[2], fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        if (pipe2(pair, O_CLOEXEC) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "pipe");
        container->life = pair[0];
        life_end = pair[1];
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "socketpair");
        report = pair[0];
        report_end = pair[1];

        pid_t pid = fork_unnoticed();
        if (pid == 0)
                hand_over(argv, control, container->boot_log, life_end, report_end);
        if (pid < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "fork");
        close(mf_take_fd(&report_end)); /* ours would keep recvmsg(2) from seeing the end */
        while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
                ;
        int r = mf_message_recv(report, &message, fds, &n_fds, NULL, 0);
        if (r <= 0 || n_fds != 1)
                return mf_error_errno(err, r == 1 && message.value[0] ? -message.value[0] : -EIO, MAYFLY_STAGE_START,
                                      "starting %s", argv[0]);
        container->supervisor_fd = fds[0];
        return 0;
}

static size_t poll_fds(struct mayfly_container *container, struct pollfd *ret, int *ret_timeout_ms)
{
        *ret_timeout_ms = -1;
        ret[0] = (struct pollfd){ .fd = container->supervisor_fd, .events = POLLIN };
        ret[1] = (struct pollfd){ .fd = container->life, .events = POLLIN };
        return 2;
}

static int dispatch(struct mayfly_container *container, struct mayfly_error *err)
{
        struct pollfd fds[2];
        int timeout;

        (void) err;
        poll_fds(container, fds, &timeout);
        if (poll(fds, 2, 0) == 2)
                container->gone = 1;
        /* A descriptor that has told its news would keep poll(2) from waiting for the other. */
        if (fds[0].revents)
                container->supervisor_fd = mf_close(container->supervisor_fd);
        if (fds[1].revents)
                container->life = mf_close(container->life);
        if (container->supervisor_fd < 0 && container->life < 0)
                container->gone = 1;
        return 0;
}

static int verify(struct mayfly_container *container, struct mayfly_error *err)
{
        (void) container, (void) err;
        return 0;
}

/* The container's PID 1 first: nspawn and mayfly-launch then clean up after it. */
static int terminate(struct mayfly_container *container, unsigned attempt, struct mayfly_error *err)
{
        (void) err;
        if (attempt == 0 && container->leader_fd >= 0)
                (void) syscall(SYS_pidfd_send_signal, container->leader_fd, SIGKILL, NULL, 0);
        else if (container->supervisor_fd >= 0)
                (void) syscall(SYS_pidfd_send_signal, container->supervisor_fd, attempt < 2 ? SIGTERM : SIGKILL, NULL,
                               0);
        return 0;
}

static void release(struct mayfly_container *container)
{
        container->supervisor_fd = mf_close(container->supervisor_fd);
        container->life = mf_close(container->life);
}

const struct mf_engine mf_engine_direct = {
        .id = MAYFLY_ENGINE_DIRECT,
        .start = start,
        .poll_fds = poll_fds,
        .dispatch = dispatch,
        .verify = verify,
        .terminate = terminate,
        .release = release,
};
