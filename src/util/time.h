/* SPDX-License-Identifier: MIT */
#ifndef MF_TIME_H
#define MF_TIME_H

#include <stdint.h>
#include <time.h>

/* CLOCK_MONOTONIC in microseconds. */
uint64_t mf_now_us(void);

/* The time of CLOCK_MONOTONIC in `ms` milliseconds. */
struct timespec mf_in_ms(unsigned ms);

/* The time left until `deadline_us` in milliseconds, rounded up; 0 when it has passed, INT_MAX at most. */
int mf_left_ms(uint64_t deadline_us);

#endif
