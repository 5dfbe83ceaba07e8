/* SPDX-License-Identifier: MIT */
#ifndef MF_TIMEOUT_H
#define MF_TIMEOUT_H

/* Time-outs, each multiplied by $MAYFLY_TIMEOUT_FACTOR: a slow machine makes everything late in the same way. */

#include <stdint.h>

#include <mayfly/error.h>

/* Returns -EINVAL when the variable is set and is no factor. */
int mf_timeout_check(struct mayfly_error *err);

/* The time-out in ms. 0 and UINT32_MAX, which mean none, stay what they are. */
unsigned mf_timeout_ms(unsigned ms);

/* By mf_now_us(), when a time-out that begins now, or at `begin_us`, is over. */
uint64_t mf_timeout_end(unsigned ms);
uint64_t mf_timeout_end_from(uint64_t begin_us, unsigned ms);

#endif
