/* SPDX-License-Identifier: MIT */
#include "util/ring.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct mf_ring {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        size_t capacity, start, used;
        int finished, broken, abandoned;
        char data[];
};

struct mf_ring *mf_ring_new(size_t capacity)
{
        struct mf_ring *ring = calloc(1, sizeof(*ring) + capacity);

        if (!ring)
                return NULL;
        ring->capacity = capacity;
        pthread_mutex_init(&ring->lock, NULL);
        pthread_cond_init(&ring->changed, NULL);
        return ring;
}

struct mf_ring *mf_ring_free(struct mf_ring *ring)
{
        if (ring) {
                pthread_cond_destroy(&ring->changed);
                pthread_mutex_destroy(&ring->lock);
                free(ring);
        }
        return NULL;
}

int mf_ring_push(struct mf_ring *ring, const void *data, size_t size)
{
        const char *p = data;

        pthread_mutex_lock(&ring->lock);
        while (size > 0 && !ring->abandoned) {
                if (ring->used == ring->capacity) {
                        while (ring->used > ring->capacity / 2 && !ring->abandoned) /* saves a wake-up for each block */
                                pthread_cond_wait(&ring->changed, &ring->lock);
                        continue;
                }
                size_t end = (ring->start + ring->used) % ring->capacity;
                size_t room = end >= ring->start ? ring->capacity - end : ring->start - end;
                size_t n = size < room ? size : room;
                memcpy(ring->data + end, p, n);
                ring->used += n;
                p += n;
                size -= n;
                pthread_cond_signal(&ring->changed);
        }
        int r = ring->abandoned ? -EPIPE : 0;
        pthread_mutex_unlock(&ring->lock);
        return r;
}

void mf_ring_finish(struct mf_ring *ring, int broken)
{
        pthread_mutex_lock(&ring->lock);
        ring->finished = 1;
        ring->broken = broken;
        pthread_cond_signal(&ring->changed);
        pthread_mutex_unlock(&ring->lock);
}

long mf_ring_pop(struct mf_ring *ring, void *data, size_t size)
{
        long r;

        pthread_mutex_lock(&ring->lock);
        while (ring->used == 0 && !ring->finished)
                pthread_cond_wait(&ring->changed, &ring->lock);
        if (ring->used == 0) {
                r = ring->broken ? -EPIPE : 0;
        } else {
                size_t n = ring->capacity - ring->start;
                if (n > ring->used)
                        n = ring->used;
                if (n > size)
                        n = size;
                memcpy(data, ring->data + ring->start, n);
                ring->start = (ring->start + n) % ring->capacity;
                ring->used -= n;
                if (ring->used <= ring->capacity / 2)
                        pthread_cond_signal(&ring->changed);
                r = (long) n;
        }
        pthread_mutex_unlock(&ring->lock);
        return r;
}

void mf_ring_abandon(struct mf_ring *ring)
{
        pthread_mutex_lock(&ring->lock);
        ring->abandoned = 1;
        pthread_cond_signal(&ring->changed);
        pthread_mutex_unlock(&ring->lock);
}
