/* SPDX-License-Identifier: MIT */
#include "util/time.h"

#include <time.h>

uint64_t mf_now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000U + (uint64_t) now.tv_nsec / 1000U;
}

int mf_left_ms(uint64_t deadline_us)
{
        uint64_t now = mf_now_us();

        return now >= deadline_us ? 0 : (int) ((deadline_us - now + 999) / 1000);
}
