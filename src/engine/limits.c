/* SPDX-License-Identifier: MIT */
#include "engine/limits.h"

#include <unistd.h>

#include <mayfly/container.h>

#define TASKS_DEFAULT 4096U

/* Converts cgroup v1's shares (2 to 262,144) to a weight of cgroup v2 (1 to 10,000) as systemd does: 1,024 is 100. */
static uint64_t shares_to_weight(unsigned shares)
{
        uint64_t weight = (uint64_t) shares * 100 / 1024;

        return weight < 1 ? 1 : weight > 10000 ? 10000 : weight;
}

/* Half of the machine's memory, or UINT64_MAX if that is not known. */
static uint64_t default_memory(void)
{
        long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

        return pages > 0 && size > 0 ? (uint64_t) pages * (uint64_t) size / 2 : MAYFLY_MEMORY_UNLIMITED;
}

static void combine_memory(uint64_t of_image, uint64_t of_spec, struct mf_limits *ret)
{
        uint64_t most = of_spec ? of_spec : default_memory();

        if (of_image && of_image < most)
                most = of_image;
        ret->memory_max = most == MAYFLY_MEMORY_UNLIMITED ? 0 : most;
        if (of_spec && of_spec != MAYFLY_MEMORY_UNLIMITED)
                ret->memory_origin = MF_LIMIT_OF_SPEC;
        else if (of_image)
                ret->memory_origin = MF_LIMIT_OF_IMAGE;
}

void mf_limits_combine(const struct mf_isolation *isolation, uint64_t memory_max, unsigned tasks_max,
                       struct mf_limits *ret)
{
        *ret = (struct mf_limits){
                .memory_low = isolation->memory_low,
                .cpu_max = isolation->cpu_max,
                .cpu_weight = isolation->cpu_shares ? shares_to_weight(isolation->cpu_shares) : 0,
                .tasks_max = tasks_max == MAYFLY_TASKS_UNLIMITED ? 0
                             : tasks_max                         ? tasks_max
                                                                 : TASKS_DEFAULT,
                .tasks_origin = tasks_max ? MF_LIMIT_OF_SPEC : MF_LIMIT_OF_DEFAULT,
        };
        combine_memory(isolation->memory_max, memory_max, ret);
}
