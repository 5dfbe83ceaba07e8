/* SPDX-License-Identifier: MIT */
#ifndef MF_FD_H
#define MF_FD_H

/* Descriptors, streams, and the signal of a broken connection. */

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

static inline int mf_take_fd(int *fd)
{
        int v = *fd;
        *fd = -1;
        return v;
}

/* Closes the descriptor if it is not negative. Keeps errno. Returns -1. */
int mf_close(int fd);

static inline void mf_closep(int *fd)
{
        *fd = mf_close(*fd);
}

static inline void mf_fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

/* Gives up the flock on `fd` (-1 is fine). Closing `fd` alone would not do: a child that another thread forked
 * meanwhile has a copy of the descriptor, and keeps the lock with it. */
void mf_unlock(int fd);

/* The process that a pidfd refers to. Returns its PID, or -ESRCH when the process has ended and was reaped. */
pid_t mf_pidfd_pid(int fd);

/* Whether the process of a pidfd has ended; 0 for -1. To be asked again after a wait in which other threads could act: they may have
 * closed the descriptor that was waited on, and a new one may have its number. */
int mf_pidfd_has_ended(int fd);

/* Sends a signal to the process of a pidfd, or to none for -1. */
void mf_pidfd_signal(int fd, int signal_number);

/* Reads until `size` bytes are there or the file ends. Returns how many were read, or negative errno. */
ssize_t mf_read_full(int fd, void *data, size_t size);

/* Writes all of `data`. Returns 0 or negative errno. */
int mf_write_full(int fd, const void *data, size_t size);

/* Call these two around writes to connections in the caller's thread, so that a broken connection raises no SIGPIPE. */
struct mf_sigpipe {
        sigset_t old;
        int was_pending;
};

void mf_sigpipe_block(struct mf_sigpipe *ret);
void mf_sigpipe_restore(const struct mf_sigpipe *sigpipe);

#endif
