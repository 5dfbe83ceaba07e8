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
        pthread_cond_init(&anchor->left, NULL);
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
        if (anchor->owner == getpid()) { /* else threads that are not here may have the lock, and wait */
                pthread_cond_destroy(&anchor->left);
                pthread_mutex_destroy(&anchor->lock);
        }
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
        anchor->users++;
        return anchor;
}

void mf_anchor_unlockp(struct mf_anchor **anchor)
{
        if (!*anchor)
                return;
        (*anchor)->users--;
        if ((*anchor)->is_ending)
                pthread_cond_signal(&(*anchor)->left); /* only the thread that frees the container waits */
        give_up(*anchor);
}

struct mf_anchor *mf_anchor_enter(struct mf_anchor *anchor)
{
        MF_ANCHOR_GUARD(anchor);

        anchor->users++;
        return anchor;
}

void mf_anchor_leavep(struct mf_anchor **anchor)
{
        MF_ANCHOR_GUARD(*anchor);

        (*anchor)->users--;
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

void mf_anchor_end(struct mf_anchor *anchor)
{
        __atomic_store_n(&anchor->is_ending, 1, __ATOMIC_RELAXED);
}

int mf_anchor_is_ending(const struct mf_anchor *anchor)
{
        return __atomic_load_n(&anchor->is_ending, __ATOMIC_RELAXED);
}

int mf_anchor_await_alone(struct mf_anchor *anchor)
{
        int had_others = anchor->users > 1;

        while (anchor->users > 1) {
                __atomic_store_n(&anchor->holder, 0, __ATOMIC_RELAXED);
                pthread_cond_wait(&anchor->left, &anchor->lock);
                __atomic_store_n(&anchor->holder, pthread_self(), __ATOMIC_RELAXED);
        }
        return had_others;
}
