/* SPDX-License-Identifier: MIT */
#include "engine/limits.h"

/* Converts cgroup v1's shares (2 to 262,144) to a weight of cgroup v2 (1 to 10,000) as systemd does: 1,024 is 100. */
static uint64_t shares_to_weight(unsigned shares)
{
        uint64_t weight = (uint64_t) shares * 100 / 1024;

        return weight < 1 ? 1 : weight > 10000 ? 10000 : weight;
}

void mf_limits_combine(const struct mf_isolation *isolation, uint64_t memory_max, unsigned tasks_max,
                       struct mf_limits *ret)
{
        int spec_decides = memory_max && (!isolation->memory_max || memory_max < isolation->memory_max);

        *ret = (struct mf_limits){
                .memory_max = spec_decides ? memory_max : isolation->memory_max,
                .memory_low = isolation->memory_low,
                .cpu_max = isolation->cpu_max,
                .cpu_weight = isolation->cpu_shares ? shares_to_weight(isolation->cpu_shares) : 0,
                .tasks_max = tasks_max,
        };
}
