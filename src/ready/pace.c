/* SPDX-License-Identifier: MIT */
#include "ready/pace.h"

#include <stdatomic.h>

#define PAUSE_MIN_US 1000U /* an event is to be noticed within 2 ms */
#define PAUSE_MAX_US 100000U
#define SHARE 16U     /* one waiter looks for at most a sixteenth of its time, */
#define SHARE_SLOW 2U /* or, where the work is a program's or a server's, for half of it */
#define WAKE_US 15U   /* what waking up costs, besides the look */

static atomic_uint waiters;

void mf_pace_enter(void)
{
        atomic_fetch_add(&waiters, 1);
}

void mf_pace_leave(void)
{
        atomic_fetch_sub(&waiters, 1);
}

uint64_t mf_pace_pause_us(uint64_t cost_us, int is_slow)
{
        uint64_t n = atomic_load(&waiters);
        /* All of them together are to take half a core at most. */
        uint64_t pause = 2 * n * (cost_us + WAKE_US), alone = (is_slow ? SHARE_SLOW - 1 : SHARE) * cost_us;

        if (pause < alone)
                pause = alone;
        if (pause < PAUSE_MIN_US)
                pause = PAUSE_MIN_US;
        return pause < PAUSE_MAX_US ? pause : PAUSE_MAX_US;
}
