/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

/* The same as a transient unit of systemd has: a container must not depend on who starts it. */
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
        { RLIMIT_NICE, 0, 0 },
        { RLIMIT_NOFILE, 1024, 524288 },
        { RLIMIT_NPROC, RLIM_INFINITY, RLIM_INFINITY },
        { RLIMIT_RTPRIO, 0, 0 },
        { RLIMIT_STACK, 8 << 20, RLIM_INFINITY },
};

/* What the host does not let us set stays as it is. */
void launch_reset_inherited(void)
{
        const struct sched_param none = { 0 };
        cpu_set_t all;

        for (size_t i = 0; i < MF_ELEMENTSOF(limits); i++) {
                const __rlimit_resource_t resource = (__rlimit_resource_t) limits[i].resource;
                struct rlimit wanted = { limits[i].soft, limits[i].hard }, now;
                if (setrlimit(resource, &wanted) == 0 || getrlimit(resource, &now) < 0)
                        continue;
                /* The hard limit cannot be raised without CAP_SYS_RESOURCE. */
                wanted.rlim_max = now.rlim_max < limits[i].hard ? now.rlim_max : limits[i].hard;
                if (wanted.rlim_cur > wanted.rlim_max)
                        wanted.rlim_cur = wanted.rlim_max;
                (void) setrlimit(resource, &wanted);
        }
        (void) sched_setscheduler(0, SCHED_OTHER, &none);
        (void) setpriority(PRIO_PROCESS, 0, 0);
        memset(&all, 0xff, sizeof(all));
        (void) sched_setaffinity(0, sizeof(all), &all);
        mf_cleanup(mf_closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
        if (fd >= 0)
                (void) !write(fd, "0", 1);
}
