/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/time.h"

/* All that is held for all connections, in bytes. Beyond it each holds little, so that none is starved. */
#define TOTAL_MAX (64U << 20)
#define LITTLE 4096U
#define OVERHEAD (sizeof(struct forward_chunk) + 16U) /* of each chunk, with malloc's own */

static struct {
        size_t bytes;
        uint64_t random;
} total;

/* A number from 0 on, less than 2^32; xorshift64*. */
static uint32_t next_random(void)
{
        while (total.random == 0)
                if (getrandom(&total.random, sizeof(total.random), GRND_NONBLOCK) < 0)
                        total.random = mf_now_us() | 1U;
        total.random ^= total.random >> 12;
        total.random ^= total.random << 25;
        total.random ^= total.random >> 27;
        return (uint32_t) ((total.random * 2685821657736338717U) >> 32);
}

/* How much one flow may hold when so much more is held in all. */
static size_t limit_with(size_t more, size_t max)
{
        return total.bytes + more <= TOTAL_MAX || max < LITTLE ? max : LITTLE;
}

size_t forward_held_room(const struct forward_held *held, size_t max)
{
        size_t limit = limit_with(OVERHEAD, max), used = held->size + OVERHEAD;

        return used < limit ? limit - used : 0;
}

int forward_held_fits(const struct forward_held *held, size_t size, size_t max)
{
        return held->size + OVERHEAD + size <= limit_with(OVERHEAD + size, max);
}

int forward_held_add(struct forward_held *held, const void *data, size_t size)
{
        struct forward_chunk *chunk = malloc(sizeof(*chunk) + size);

        if (!chunk)
                return -ENOMEM;
        *chunk = (struct forward_chunk){ .arrived_us = mf_now_us(), .size = (uint32_t) size, .random = next_random() };
        memcpy(chunk->data, data, size);
        if (held->first)
                held->last->next = chunk;
        else
                held->first = chunk;
        held->last = chunk;
        held->size += size + OVERHEAD;
        total.bytes += size + OVERHEAD;
        return 0;
}

static void drop_first(struct forward_held *held)
{
        struct forward_chunk *chunk = held->first;

        held->first = chunk->next;
        held->size -= OVERHEAD + chunk->size;
        total.bytes -= OVERHEAD + chunk->size;
        free(chunk);
}

void forward_held_take(struct forward_held *held, size_t size)
{
        held->first->offset += (uint32_t) size;
        if (held->first->offset == held->first->size)
                drop_first(held);
}

void forward_held_clear(struct forward_held *held)
{
        while (held->first)
                drop_first(held);
}

uint64_t forward_due_us(uint64_t arrived_us, uint32_t random, const struct mf_forward_flow *faults)
{
        return arrived_us + faults->latency_us + ((faults->jitter_us * random) >> 32);
}
