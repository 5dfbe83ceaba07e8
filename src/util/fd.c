/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/fd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "util/macro.h"
#include "util/valgrind.h"

int mf_close(int fd)
{
        if (fd >= 0) {
                int saved = errno;
                close(fd);
                errno = saved;
        }
        return -1;
}

void mf_unlock(int fd)
{
        if (fd >= 0)
                (void) flock(fd, LOCK_UN);
}

pid_t mf_pidfd_pid(int fd)
{
        char path[64], line[128];
        int pid = -1;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        mf_cleanup(mf_fclosep) FILE *f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (sscanf(line, "Pid: %d", &pid) == 1)
                        break;
        return pid > 0 ? pid : -ESRCH;
}

int mf_pidfd_has_ended(int fd)
{
        return fd >= 0 && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0;
}

void mf_pidfd_signal(int fd, int signal_number)
{
        if (fd < 0)
                return;
        if (!mf_under_valgrind()) {
                (void) syscall(SYS_pidfd_send_signal, fd, signal_number, NULL, 0);
                return;
        }
        const pid_t pid = mf_pidfd_pid(fd); /* -ESRCH when it has ended */
        if (pid > 0)
                (void) kill(pid, signal_number);
}

ssize_t mf_read_full(int fd, void *data, size_t size)
{
        char *p = data;
        size_t n = 0;

        while (n < size) {
                ssize_t got = read(fd, p + n, size - n);
                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t) got;
        }
        return (ssize_t) n;
}

int mf_write_full(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size > 0) {
                ssize_t n = write(fd, p, size);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                p += n;
                size -= (size_t) n;
        }
        return 0;
}

void mf_sigpipe_block(struct mf_sigpipe *ret)
{
        sigset_t set;

        sigpending(&set);
        ret->was_pending = sigismember(&set, SIGPIPE);
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &set, &ret->old);
}

void mf_sigpipe_restore(const struct mf_sigpipe *sigpipe)
{
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        if (!sigpipe->was_pending)
                while (sigtimedwait(&set, NULL, &(const struct timespec){ 0 }) < 0 && errno == EINTR)
                        ;
        pthread_sigmask(SIG_SETMASK, &sigpipe->old, NULL);
}
