/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/anchor.h"

#include <stdlib.h>
#include <unistd.h>

struct mf_anchor *mf_anchor_new(struct mayfly_container *container)
{
        struct mf_anchor *anchor = calloc(1, sizeof(*anchor));
        pthread_mutexattr_t attributes;

        if (!anchor)
                return NULL;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
        pthread_mutex_init(&anchor->lock, &attributes);
        pthread_mutexattr_destroy(&attributes);
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

struct mf_anchor *mf_anchor_lock(struct mf_anchor *anchor)
{
        return pthread_mutex_lock(&anchor->lock) == 0 ? anchor : NULL;
}

void mf_anchor_unlockp(struct mf_anchor **anchor)
{
        if (*anchor)
                pthread_mutex_unlock(&(*anchor)->lock);
}

int mf_anchor_pause(struct mf_anchor *anchor)
{
        return pthread_mutex_unlock(&anchor->lock) == 0;
}

void mf_anchor_resume(struct mf_anchor *anchor, int had_it)
{
        if (had_it)
                pthread_mutex_lock(&anchor->lock);
}
