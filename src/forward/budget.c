/* SPDX-License-Identifier: MIT */
#include <sys/resource.h>

#include "forward/forward.h"

/* Descriptors that are never given to connections: what this process works with, and those that requests bring. */
#define SPARE 64U

static struct {
        unsigned max, used;
} fds;

void forward_budget_init(void)
{
        struct rlimit limit;

        if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > SPARE)
                fds.max = limit.rlim_cur < 1U << 20 ? (unsigned) limit.rlim_cur - SPARE : 1U << 20;
}

int forward_take_fds(unsigned n)
{
        if (fds.used + n > fds.max)
                forward_pipes_trim();
        if (fds.used + n > fds.max)
                return 0;
        fds.used += n;
        return 1;
}

void forward_give_fds(unsigned n)
{
        fds.used -= n;
}

unsigned forward_fds_max(void)
{
        return fds.max;
}
