/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "util/fd.h"
#include "util/macro.h"

#define SCORE "/proc/self/oom_score_adj"

static int read_score(char ret[16])
{
        mf_cleanup(mf_closep) int fd = open(SCORE, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, ret, 15);

        ret[n > 0 ? n : 0] = '\0';
        return n > 0;
}

static int write_score(const char *score)
{
        mf_cleanup(mf_closep) int fd = open(SCORE, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, score, strlen(score)) > 0;
}

/* The kernel remembers the lowest score that was set with CAP_SYS_RESOURCE; a process without it may go down to that
 * (proc(5), oom_score_adj). So the old score is set again without the capability. */
void launch_allow_oom_score(int score)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct with[2], without[2];
        char now[16], wanted[16];

        if (!read_score(now) || score >= atoi(now) || syscall(SYS_capget, &header, with) < 0)
                return;
        memcpy(without, with, sizeof(with));
        without[0].effective &= ~(UINT32_C(1) << CAP_SYS_RESOURCE);
        snprintf(wanted, sizeof(wanted), "%d", score);
        if (!write_score(wanted))
                return;
        (void) syscall(SYS_capset, &header, without);
        (void) write_score(now);
        (void) syscall(SYS_capset, &header, with);
}
