/* SPDX-License-Identifier: MIT */
#ifndef MF_LIMITS_H
#define MF_LIMITS_H

/* The limits of a container's cgroup. */

#include <stdint.h>

#include "model/image-config.h"

/* 0 means no limit. */
struct mf_limits {
        uint64_t memory_max, memory_low; /* bytes */
        uint64_t cpu_max;                /* thousandths of a processor */
        uint64_t cpu_weight;             /* cpu.weight, 1 to 10,000 */
        unsigned tasks_max;
};

/* Combines what the image wants with what the spec gives: the smaller limit holds. 0 means no limit in the spec. */
void mf_limits_combine(const struct mf_isolation *isolation, uint64_t memory_max, unsigned tasks_max,
                       struct mf_limits *ret);

#endif
