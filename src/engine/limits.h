/* SPDX-License-Identifier: MIT */
#ifndef MF_LIMITS_H
#define MF_LIMITS_H

/* The limits of a container's cgroup. */

#include <stdint.h>

#include "model/image-config.h"

/* Whose wish a limit is. A host without the controller refuses the spec's, reports the image's, and does without the
 * default. */
enum mf_limit_origin { MF_LIMIT_OF_DEFAULT = 0, MF_LIMIT_OF_IMAGE, MF_LIMIT_OF_SPEC };

/* 0 means no limit. */
struct mf_limits {
        uint64_t memory_max, memory_low; /* bytes */
        uint64_t cpu_max;                /* thousandths of a processor */
        uint64_t cpu_weight;             /* cpu.weight, 1 to 10,000 */
        unsigned tasks_max;
        enum mf_limit_origin memory_origin, tasks_origin;
};

/* Combines what the image wants with what the spec gives: the smaller limit holds. Where the spec has 0, the default is in
 * its place, so that no image can give itself more than that. */
void mf_limits_combine(const struct mf_isolation *isolation, uint64_t memory_max, unsigned tasks_max,
                       struct mf_limits *ret);

#endif
