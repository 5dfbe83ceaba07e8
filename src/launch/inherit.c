/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* The limits of a transient unit of systemd: a container must not depend on the program that starts it. */
static const struct {
        int resource;
        rlim_t soft, hard;
} limits[] = {
        { RLIMIT_AS, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_CORE, 0, RLIM_INFINITY },
        { RLIMIT_CPU, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_DATA, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_FSIZE, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_MEMLOCK, 8 << 20, 8 << 20 },
        { RLIMIT_MSGQUEUE, 819200, 819200 },
        { RLIMIT_NICE, 0, 0 },
        { RLIMIT_NOFILE, 1024, 524288 },
        { RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_RSS, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_RTPRIO, 0, 0 },
        { RLIMIT_RTTIME, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_STACK, 8 << 20, RLIM_INFINITY },
};

static void reset_limit(int number, rlim_t soft, rlim_t hard)
{
        const __rlimit_resource_t resource = (__rlimit_resource_t) number;
        struct rlimit wanted = { soft, hard }, now;

        if (setrlimit(resource, &wanted) == 0 || getrlimit(resource, &now) < 0)
                return;
        /* The hard limit cannot be raised without CAP_SYS_RESOURCE. */
        wanted.rlim_max = now.rlim_max < hard ? now.rlim_max : hard;
        if (wanted.rlim_cur > wanted.rlim_max)
                wanted.rlim_cur = wanted.rlim_max;
        (void) setrlimit(resource, &wanted);
}

/* The kernel gives PID 1, and so every service, half as many pending signals as there can be threads. */
static void reset_pending_signals(void)
{
        mf_cleanup(mf_fclosep) FILE *f = fopen("/proc/sys/kernel/threads-max", "re");
        unsigned long long threads;

        if (f && fscanf(f, "%llu", &threads) == 1)
                reset_limit(RLIMIT_SIGPENDING, threads / 2, threads / 2);
}

/* What the host does not let us set stays as it is. */
void launch_reset_inherited(void)
{
        const struct sched_param none = { 0 };
        cpu_set_t all;

        for (size_t i = 0; i < MF_ELEMENTSOF(limits); i++)
                reset_limit(limits[i].resource, limits[i].soft, limits[i].hard);
        reset_pending_signals();
        (void) sched_setscheduler(0, SCHED_OTHER, &none);
        (void) setpriority(PRIO_PROCESS, 0, 0);
        memset(&all, 0xff, sizeof(all));
        (void) sched_setaffinity(0, sizeof(all), &all);
        mf_cleanup(mf_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
                (void) !write(fd, "0", 1);
}
