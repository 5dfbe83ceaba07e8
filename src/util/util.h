/* SPDX-License-Identifier: MIT */
#ifndef MF_UTIL_H
#define MF_UTIL_H

/* Ownership in local variables: `mf_cleanup(f) T *p = NULL;` calls f(&p) at the end of the scope; mf_take(p) gives p's
 * value away and leaves NULL (or -1 for descriptors with mf_take_fd()). */

#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define mf_cleanup(f) __attribute__((cleanup(f)))
#define MF_ELEMENTSOF(a) (sizeof(a) / sizeof((a)[0]))
#define MF_EXPORT __attribute__((visibility("default")))

#define mf_take(p)                            \
        ({                                    \
                __typeof__(p) *mf_p_ = &(p);  \
                __typeof__(p) mf_v_ = *mf_p_; \
                *mf_p_ = NULL;                \
                mf_v_;                        \
        })

static inline int mf_take_fd(int *fd)
{
        int v = *fd;
        *fd = -1;
        return v;
}

/* Closes if >= 0, keeps errno, returns -1. */
int mf_close(int fd);

static inline void mf_freep(void *p)
{
        free(*(void **) p);
}

static inline void mf_closep(int *fd)
{
        *fd = mf_close(*fd);
}

static inline void mf_fclosep(FILE **f)
{
        if (*f)
                fclose(*f);
}

/* Around what writes to connections in the caller's thread, which one that breaks must not kill with SIGPIPE. */
struct mf_sigpipe {
        sigset_t old;
        int was_pending;
};

void mf_sigpipe_block(struct mf_sigpipe *ret);
void mf_sigpipe_restore(const struct mf_sigpipe *sigpipe);

/* CLOCK_MONOTONIC in microseconds. */
uint64_t mf_now_us(void);

/* Removes the tree `name` in the folder `dirfd`, never following a symlink or leaving the file system. 0 or -errno; a
 * missing tree is success. */
int mf_remove_tree(int dirfd, const char *name);

/* What the tree `name` takes on disk, in bytes; what cannot be looked at, or lies very deep, is left out. */
uint64_t mf_tree_bytes(int dirfd, const char *name);

/* mkdir -p with mode 0700 for what is missing. 0 or -errno. */
int mf_mkdir_p(const char *path);

#endif
