/* SPDX-License-Identifier: MIT */
#ifndef MF_ANCHOR_H
#define MF_ANCHOR_H

/* The lock of a container, in memory that outlives the container's handle: the handles of its commands are anchored here, and find
 * out whether there still is a container. Threads that have the lock are alone with the container, but for the time that
 * mf_container_poll() waits. The count of them lets the thread that frees the container wait until all others have left it. */

#include <pthread.h>
#include <sys/types.h>

#include "util/macro.h"

struct mayfly_container;

struct mf_anchor {
        pthread_mutex_t lock;
        pthread_cond_t left; /* a thread has left the container that is to be freed */
        pthread_t holder;    /* of the lock; 0: no thread. Each thread only looks whether it is itself */
        unsigned users;      /* how often threads are in the container, with the lock or waiting without */
        int is_ending;       /* the container is to be freed */
        unsigned refs;       /* the container and its commands */
        pid_t owner;         /* the process that made it; in a forked child the lock may never be free */
        struct mayfly_container *container; /* NULL once it is freed */
};

/* Makes one with a single reference. Returns NULL when there is no memory. */
struct mf_anchor *mf_anchor_new(struct mayfly_container *container);
struct mf_anchor *mf_anchor_ref(struct mf_anchor *anchor);
/* Gives a reference up. NULL is fine; returns NULL. */
struct mf_anchor *mf_anchor_unref(struct mf_anchor *anchor);

/* Takes the lock. Returns the anchor, to be unlocked, or NULL when this thread has the lock already; so that a function which locks
 * may call another one that does. */
struct mf_anchor *mf_anchor_lock(struct mf_anchor *anchor);
void mf_anchor_unlockp(struct mf_anchor **anchor);
/* Has the lock to the end of the block. */
#define MF_ANCHOR_GUARD(anchor) \
        mf_cleanup(mf_anchor_unlockp) __attribute__((unused)) struct mf_anchor *mf_locked_ = mf_anchor_lock(anchor)
/* Is in the container to the end of the block, without the lock. */
struct mf_anchor *mf_anchor_enter(struct mf_anchor *anchor);
void mf_anchor_leavep(struct mf_anchor **anchor);
#define MF_ANCHOR_ENTER(anchor) \
        mf_cleanup(mf_anchor_leavep) __attribute__((unused)) struct mf_anchor *mf_entered_ = mf_anchor_enter(anchor)
/* Gives the lock up for a while, if this thread has it. Returns whether it had, for mf_anchor_resume(). */
int mf_anchor_pause(struct mf_anchor *anchor);
void mf_anchor_resume(struct mf_anchor *anchor, int had_it);

/* For the thread that frees the container, which has the lock. From now on mf_anchor_is_ending() is true for all others, */
void mf_anchor_end(struct mf_anchor *anchor);
int mf_anchor_is_ending(const struct mf_anchor *anchor);
/* and this waits until they have left the container. Returns whether there were any. */
int mf_anchor_await_alone(struct mf_anchor *anchor);

#endif
