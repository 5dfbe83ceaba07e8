/* SPDX-License-Identifier: MIT */

/* Runs inside a container and tries what must fail there: `attack calls` each system call that the filter denies,
 * `attack init` to get what PID 1 holds, `attack traced` to outlive its kill. Prints a line for each thing that was possible; what was
 * not prints nothing.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static void tell(const char *what, long result)
{
        if (result >= 0 || (errno != EPERM && errno != ENOSYS && errno != EACCES && errno != ENOENT))
                printf("%s: %s\n", what, result >= 0 ? "allowed" : strerror(errno));
}

/* With arguments that are wrong on purpose: a call that is let through answers EINVAL, EBADF or EFAULT. */
static void calls(void)
{
        static const struct {
                const char *name;
                long number;
        } all[] = {
                { "pidfd_getfd", SYS_pidfd_getfd },
                { "io_uring_setup", SYS_io_uring_setup },
                { "io_uring_enter", SYS_io_uring_enter },
                { "io_uring_register", SYS_io_uring_register },
                { "fanotify_init", SYS_fanotify_init },
                { "process_madvise", SYS_process_madvise },
                { "process_vm_readv", SYS_process_vm_readv },
                { "process_vm_writev", SYS_process_vm_writev },
                { "kcmp", SYS_kcmp },
                { "bpf", SYS_bpf },
                { "userfaultfd", SYS_userfaultfd },
                { "open_by_handle_at", SYS_open_by_handle_at },
                { "keyctl", SYS_keyctl },
                { "setns", SYS_setns },
                { "unshare", SYS_unshare },
        };

        for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
                tell(all[i].name, syscall(all[i].number, -1L, -1L, -1L, -1L, -1L, -1L));
        puts("tried");
}

/* All of what PID 1 has open, and its memory. */
static void init(void)
{
        char path[64], text[64];
        struct iovec iov = { text, sizeof(text) };
        int pidfd = (int) syscall(SYS_pidfd_open, 1, 0);

        for (int fd = 0; fd < 32; fd++) {
                snprintf(path, sizeof(path), "/proc/1/fd/%d", fd);
                tell(path, readlink(path, text, sizeof(text)));
                snprintf(path, sizeof(path), "pidfd_getfd of %d", fd);
                tell(path, syscall(SYS_pidfd_getfd, pidfd, fd, 0));
        }
        tell("/proc/1/mem", open("/proc/1/mem", O_RDWR | O_CLOEXEC));
        tell("/proc/1/environ", open("/proc/1/environ", O_RDONLY | O_CLOEXEC) < 0 ? -1 : 0);
        tell("process_vm_readv", process_vm_readv(1, &iov, 1, &iov, 1, 0));
        tell("ptrace", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
        puts("tried");
}

/* Is traced by its child, so that the child hears of its end first. */
static void traced(void)
{
        pid_t pid = getpid();

        prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        if (fork() == 0) {
                puts(ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0 ? "traced" : "not traced");
                fflush(stdout);
        }
        for (;;)
                pause();
}

int main(int argc, char **argv)
{
        if (argc > 1 && strcmp(argv[1], "calls") == 0)
                calls();
        else if (argc > 1 && strcmp(argv[1], "traced") == 0)
                traced();
        else
                init();
        return 0;
}
