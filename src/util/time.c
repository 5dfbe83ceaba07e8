/* SPDX-License-Identifier: MIT */
#include "util/time.h"

#include <limits.h>

uint64_t mf_now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000U + (uint64_t) now.tv_nsec / 1000U;
}

struct timespec mf_in_ms(unsigned ms)
{
        uint64_t then = mf_now_us() + (uint64_t) ms * 1000U;

        return (struct timespec){ .tv_sec = (time_t) (then / 1000000U), .tv_nsec = (long) (then % 1000000U) * 1000 };
}

int mf_left_ms(uint64_t deadline_us)
{
        uint64_t now = mf_now_us();

        if (now >= deadline_us)
                return 0;
        uint64_t ms = (deadline_us - now - 1) / 1000 + 1;
        return ms < INT_MAX ? (int) ms : INT_MAX;
}
