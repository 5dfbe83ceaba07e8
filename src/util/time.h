/* SPDX-License-Identifier: MIT */
#ifndef MF_TIME_H
#define MF_TIME_H

#include <stdint.h>

/* CLOCK_MONOTONIC in microseconds. */
uint64_t mf_now_us(void);

#endif
