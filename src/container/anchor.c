/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/anchor.h"

#include <stdlib.h>
#include <unistd.h>

struct mf_anchor *mf_anchor_new(struct mayfly_container *container)
{
        struct mf_anchor *anchor = calloc(1, sizeof(*anchor));

        if (!anchor)
                return NULL;
        pthread_mutex_init(&anchor->lock, NULL);
        anchor->container = container;
        anchor->owner = getpid();
        anchor->refs = 1;
        return anchor;
}

struct mf_anchor *mf_anchor_ref(struct mf_anchor *anchor)
{
        __atomic_add_fetch(&anchor->refs, 1, __ATOMIC_RELAXED);
        return anchor;
}

struct mf_anchor *mf_anchor_unref(struct mf_anchor *anchor)
{
        if (!anchor || __atomic_sub_fetch(&anchor->refs, 1, __ATOMIC_ACQ_REL) > 0)
                return NULL;
        pthread_mutex_destroy(&anchor->lock);
        free(anchor);
        return NULL;
}

/* Whether this thread has the lock. No other thread can make that true or false. */
static int is_held(const struct mf_anchor *anchor)
{
        return __atomic_load_n(&anchor->holder, __ATOMIC_RELAXED) == pthread_self();
}

static void take(struct mf_anchor *anchor)
{
        pthread_mutex_lock(&anchor->lock);
        __atomic_store_n(&anchor->holder, pthread_self(), __ATOMIC_RELAXED);
}

static void give_up(struct mf_anchor *anchor)
{
        __atomic_store_n(&anchor->holder, 0, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&anchor->lock);
}

struct mf_anchor *mf_anchor_lock(struct mf_anchor *anchor)
{
        if (is_held(anchor))
                return NULL;
        take(anchor);
        return anchor;
}

void mf_anchor_unlockp(struct mf_anchor **anchor)
{
        if (*anchor)
                give_up(*anchor);
}

int mf_anchor_pause(struct mf_anchor *anchor)
{
        int had_it = is_held(anchor);

        if (had_it)
                give_up(anchor);
        return had_it;
}

void mf_anchor_resume(struct mf_anchor *anchor, int had_it)
{
        if (had_it)
                take(anchor);
}
