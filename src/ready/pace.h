/* SPDX-License-Identifier: MIT */
#ifndef MF_PACE_H
#define MF_PACE_H

/* How often waits look. The more wait in this process, the less often each looks. */

#include <stdint.h>

/* Counts a waiter in, and out. */
void mf_pace_enter(void);
void mf_pace_leave(void);

/* Returns how long to pause after a look that took cost_us, in microseconds. A slow look is another's work. */
uint64_t mf_pace_pause_us(uint64_t cost_us, int is_slow);

#endif
