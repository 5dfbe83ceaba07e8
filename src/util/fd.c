/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/fd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

int mf_close(int fd)
{
        if (fd >= 0) {
                int saved = errno;
                close(fd);
                errno = saved;
        }
        return -1;
}

int mf_read_tail(int fd, size_t max, char **ret)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        size_t size = (size_t) st.st_size < max ? (size_t) st.st_size : max;
        char *copy = malloc(size + 1);
        if (!copy)
                return -ENOMEM;
        ssize_t n = pread(fd, copy, size, st.st_size - (off_t) size);
        if (n < 0) {
                int r = -errno;
                free(copy);
                return r;
        }
        copy[n] = '\0';
        *ret = copy;
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
