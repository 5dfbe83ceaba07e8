/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "privilege/raw-start.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"

#define KERNEL_NSIG 64 /* the C library's mask leaves out the signals that it uses itself */

/* All that the child needs is made ready here before the clone. */
struct plan {
        const struct mf_raw_start *request;
        char *const *env;
        int stays; /* as the reaper */
        pid_t owner;
        const char *(*describe)(int error); /* by pointer: nothing is to be bound in the child */
        char complaint[PATH_MAX + 32];
        size_t complaint_size;
        struct mf_message message;
        union {
                struct cmsghdr align;
                char buffer[CMSG_SPACE(sizeof(int))];
        } rights;
};

/* --- in the child and its child: raw system calls alone ------------------------------------------------------- */

static long set_signal_mask(const uint64_t *mask, uint64_t *ret_old)
{
        return syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, ret_old, sizeof(*mask));
}

/* Makes a copy of this process that raises no SIGCHLD and that wait(2) without __WALL does not find. A debugger would take that for a
 * thread of the program, and lose the program when it executes another: no debugger gets it. */
static pid_t clone_unnoticed(void)
{
        return (pid_t) syscall(SYS_clone, (unsigned long) CLONE_UNTRACED, NULL, NULL, NULL, 0UL);
}

static _Noreturn void leave(int status)
{
        for (;;)
                syscall(SYS_exit_group, status);
}

/* A handler of the program must not run in a copy of it; and what is executed ignores nothing. */
static void reset_signals(void)
{
        static const char defaults[64]; /* at least the kernel's struct sigaction: SIG_DFL, no flags */

        for (long i = 1; i <= KERNEL_NSIG; i++)
                syscall(SYS_rt_sigaction, i, defaults, NULL, sizeof(uint64_t));
}

/* Writes "executing PROGRAM: why" to the boot log. */
static _Noreturn void give_up(const struct plan *plan, long boot_log)
{
        const char *why = plan->describe(errno);
        size_t length = 0;

        while (why && why[length])
                length++;
        const struct iovec parts[] = { { (void *) (uintptr_t) plan->complaint, plan->complaint_size },
                                       { (void *) (uintptr_t) why, length },
                                       { (void *) (uintptr_t) "\n", 1 } };
        syscall(SYS_writev, boot_log, parts, 3L);
        leave(127);
}

/* Has the kernel kill this process group once the pipe that it has as standard input loses its last writer (fcntl(2), F_SETSIG): a program
 * that is not ours does not look. */
static int tie(void)
{
        struct pollfd pipe = { .fd = 0 };
        const struct timespec now = { 0 };

        if (syscall(SYS_fcntl, 0L, F_SETSIG, (long) SIGKILL) < 0 ||
            syscall(SYS_fcntl, 0L, F_SETOWN, -syscall(SYS_getpid)) < 0 ||
            syscall(SYS_fcntl, 0L, F_SETFL, (long) O_ASYNC) < 0)
                return -1;
        if (syscall(SYS_ppoll, &pipe, 1L, &now, NULL, sizeof(uint64_t)) == 1) /* it had lost the writer before */
                leave(1);
        return 0;
}

/* The grandchild: becomes the program. Until it executes it dies with the reaper; a parent that does not stay may be gone
 * before. */
static _Noreturn void execute(const struct plan *plan, long parent)
{
        const struct mf_raw_start *request = plan->request;
        const long fds[4] = { request->control, request->boot_log, request->boot_log, request->report };
        static const uint64_t none;
        long safe[4];

        if (plan->stays) {
                syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
                if (syscall(SYS_getppid) != parent)
                        leave(1);
        }
        syscall(SYS_setsid); /* the terminal's Ctrl-C is for the test program */
        for (int i = 0; i < 4; i++)
                if ((safe[i] = syscall(SYS_fcntl, fds[i], F_DUPFD_CLOEXEC, 10L)) < 0)
                        give_up(plan, request->boot_log);
        for (int i = 0; i < 4; i++)
                if (syscall(SYS_dup3, safe[i], (long) i, 0L) < 0)
                        give_up(plan, safe[1]);
        syscall(SYS_close_range, 4L, (long) UINT_MAX, (long) CLOSE_RANGE_UNSHARE);
        if (syscall(SYS_chdir, "/") < 0 || (request->is_tied && tie() < 0))
                give_up(plan, 2);
        set_signal_mask(&none, NULL);
        syscall(SYS_prctl, PR_SET_PDEATHSIG, 0L, 0L, 0L, 0L);
        syscall(SYS_execve, request->argv[0], request->argv, plan->env);
        give_up(plan, 2);
}

/* Sends the pidfd, or the error, that starting the program gave. */
static void report(struct plan *plan, long fd, int error)
{
        struct iovec iov = { &plan->message, sizeof(plan->message) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

        plan->message.value[0] = error;
        if (fd >= 0) {
                struct cmsghdr *cmsg = &plan->rights.align;
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(sizeof(int));
                *(int *) (void *) CMSG_DATA(cmsg) = (int) fd;
                header.msg_control = plan->rights.buffer;
                header.msg_controllen = sizeof(plan->rights.buffer);
        }
        syscall(SYS_sendmsg, (long) plan->request->report, &header, (long) MSG_NOSIGNAL);
}

/* Reaps all that comes to this process, until there is nothing left. It keeps nothing of the program's open or busy. */
static void reap_all(void)
{
        syscall(SYS_close_range, 0L, (long) UINT_MAX, (long) CLOSE_RANGE_UNSHARE);
        syscall(SYS_chdir, "/");
        while (syscall(SYS_wait4, -1L, NULL, (long) __WALL, NULL) >= 0 || errno == EINTR)
                ;
}

/* The child: starts the program, and then ends or stays. All signals are blocked in it. */
static _Noreturn void run_child(struct plan *plan)
{
        syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0L, 0L, 0L);
        if (syscall(SYS_getppid) != plan->owner)
                leave(1);
        reset_signals();
        if (plan->stays) {
                syscall(SYS_setsid); /* a signal to the program's process group must not reach it */
                syscall(SYS_prctl, PR_SET_NAME, "mayfly-reaper", 0L, 0L, 0L);
                syscall(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1L, 0L, 0L, 0L);
        }
        long self = syscall(SYS_getpid), pid = clone_unnoticed();
        if (pid == 0)
                execute(plan, self);
        int error = pid < 0 ? errno : 0;
        long fd = pid < 0 ? -1 : syscall(SYS_pidfd_open, pid, 0L);
        if (pid > 0 && fd < 0) {
                error = errno;
                syscall(SYS_kill, pid, (long) SIGKILL);
        }
        /* The thread that started this may end as soon as it knows. */
        if (plan->stays && error == 0)
                syscall(SYS_prctl, PR_SET_PDEATHSIG, 0L, 0L, 0L, 0L);
        report(plan, fd, error);
        if (plan->stays)
                reap_all();
        leave(0);
}

/* --- in the program ------------------------------------------------------------------------------------------- */

/* Whether PID 1 seems to reap: it handles SIGCHLD, takes it from a descriptor (and blocks it for that) or ignores it. A
 * PID 1 that only waits for its own child, as `sh -c`, is taken for one that does not. */
static int init_reaps(void)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/1/status", "re");
        const unsigned long long bit = 1ULL << (SIGCHLD - 1);
        char line[256], kind[8];
        unsigned long long mask;

        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Sig%7[A-Za-z]: %llx", kind, &mask) == 2 && (mask & bit) &&
                    (strcmp(kind, "Cgt") == 0 || strcmp(kind, "Ign") == 0 || strcmp(kind, "Blk") == 0))
                        return 1;
        return 0;
}

/* Whether orphans of this process would be its own children, or nobody's. */
static int needs_reaper(void)
{
        int is_subreaper = 0;

        if (getpid() == 1 || prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper) < 0 || is_subreaper)
                return 1;
        return !init_reaps();
}

static void make_plan(const struct mf_raw_start *request, struct plan *ret)
{
        static char *const env[] = { (char *) (uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };

        *ret = (struct plan){ .request = request,
                              .env = request->env ? request->env : env,
                              .stays = needs_reaper(),
                              .owner = getpid(),
                              .describe = strerrordesc_np,
                              .message = { .version = MF_PROTOCOL_VERSION, .type = MF_MESSAGE_READY } };
        int n = snprintf(ret->complaint, sizeof(ret->complaint), "executing %s: ", request->argv[0]);
        ret->complaint_size = n < (int) sizeof(ret->complaint) ? (size_t) n : sizeof(ret->complaint) - 1;
}

/* Waits for the end of a child that is about to end. */
static void await_end(pid_t pid)
{
        while (waitpid(pid, NULL, __WCLONE) < 0 && errno == EINTR)
                ;
}

int mf_raw_start(const struct mf_raw_start *request, int *ret_reaper)
{
        const uint64_t all = UINT64_MAX;
        struct plan plan;
        uint64_t old;

        make_plan(request, &plan);
        if (set_signal_mask(&all, &old) < 0)
                return -errno;
        pid_t pid = clone_unnoticed();
        if (pid == 0)
                run_child(&plan);
        int r = pid < 0 ? -errno : 0;
        while (set_signal_mask(&old, NULL) < 0) /* which only a test's faults make fail */
                ;
        if (r < 0)
                return r;
        int reaper = -1;
        if (plan.stays) {
                reaper = (int) syscall(SYS_pidfd_open, pid, 0);
                r = reaper < 0 ? -errno : 0;
        }
        if (r < 0)
                kill(pid, SIGKILL);
        if (reaper < 0)
                await_end(pid);
        *ret_reaper = reaper;
        return r;
}

/* Waits until there is something to read, or nobody left to write. The end of the stream is no sign: a child that this
 * process happened to fork meanwhile may hold the other end. */
static void await_report(int report, int reaper)
{
        struct pollfd fds[] = { { .fd = report, .events = POLLIN }, { .fd = reaper, .events = POLLIN } };

        if (reaper >= 0) /* else the one that writes has ended */
                while (poll(fds, 2, -1) < 0 && errno == EINTR)
                        ;
}

int mf_raw_start_hear(int report, int reaper, int *ret_pidfd)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        await_report(report, reaper);
        int r = mf_message_recv(report, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r <= 0 || n_fds != 1)
                return r == 1 && message.value[0] ? -message.value[0] : -EIO;
        *ret_pidfd = fds[0];
        return 0;
}

int mf_raw_start_program(const struct mf_raw_start *request, int *ret_pidfd, int *ret_reaper)
{
        struct mf_raw_start with_report = *request;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        mf_cleanup(mf_closep) int report = pair[0];
        with_report.report = pair[1];
        int r = mf_raw_start(&with_report, ret_reaper);
        close(pair[1]); /* ours would keep recvmsg(2) from seeing the end */
        return r < 0 ? r : mf_raw_start_hear(report, *ret_reaper, ret_pidfd);
}

int mf_raw_start_reap(int reaper)
{
        siginfo_t info = { 0 };
        int r;

        do
                r = waitid(P_PIDFD, (id_t) reaper, &info, WEXITED | WNOHANG | __WCLONE);
        while (r < 0 && errno == EINTR);
        return r < 0 || info.si_pid != 0;
}

void mf_raw_start_await(int reaper)
{
        struct pollfd fd = { .fd = reaper, .events = POLLIN };

        while (!mf_raw_start_reap(reaper))
                (void) poll(&fd, 1, -1);
}
