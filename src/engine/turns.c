/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "engine/turns.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "util/time.h"

#define TURNS 32
#define INTERVAL_US 5000

/* Atomics, not a mutex: a child may be forked while another thread waits here. */
static atomic_int taken;
static atomic_int taker;

int mf_turn_take(uint64_t deadline_us)
{
        int self = (int) getpid();

        /* The turns that a forked child sees as taken are the parent's. */
        if (atomic_exchange(&taker, self) != self)
                atomic_store(&taken, 0);
        while (atomic_fetch_add(&taken, 1) >= TURNS) {
                atomic_fetch_sub(&taken, 1);
                if (mf_now_us() >= deadline_us)
                        return -EBUSY;
                usleep(INTERVAL_US);
        }
        return 0;
}

void mf_turn_give_back(void)
{
        atomic_fetch_sub(&taken, 1);
}
