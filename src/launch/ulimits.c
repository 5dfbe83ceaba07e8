/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "launch/launch.h"
#include "util/ulimit.h"

/* The limits of the container's programs are set by mayfly-init, for each of them. It can only lower hard limits, so that they are
 * raised here, for all that follows. */

static int read_limit(const char *text, struct mf_ulimit *ret, struct rlimit *ret_now)
{
        const char *fault = mf_ulimit_parse(text, ret);

        if (fault)
                return launch_error(-EINVAL, "ulimits of the spec has \"%s\": %s", text, fault);
        return getrlimit((__rlimit_resource_t) ret->resource, ret_now) < 0
                       ? launch_error(-errno, "asking for the limit %s", ret->name)
                       : 0;
}

static int raise(const char *text)
{
        struct mf_ulimit limit = { 0 };
        struct rlimit now = { 0 };

        int r = read_limit(text, &limit, &now);
        if (r < 0 || limit.hard <= now.rlim_max)
                return r;
        const struct rlimit wanted = { now.rlim_cur, limit.hard };
        if (setrlimit((__rlimit_resource_t) limit.resource, &wanted) == 0)
                return 0;
        return launch_error(-errno,
                            "ulimits of the spec has \"%s\", but the hard limit here is %" PRIu64
                            ". Only CAP_SYS_RESOURCE on the host may raise it (nofile to fs.nr_open at most). Give a "
                            "lower value, or "
                            "raise the user's limit: see limits.conf(5)",
                            text, (uint64_t) now.rlim_max);
}

int launch_ulimits_raise(const struct launch_options *options)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < options->n_ulimits; i++)
                r = raise(options->ulimits[i]);
        return r;
}

static void show(rlim_t value, char ret[32])
{
        if (value == RLIM_INFINITY)
                snprintf(ret, 32, "infinity");
        else
                snprintf(ret, 32, "%" PRIu64, (uint64_t) value);
}

/* systemd-nspawn would give PID 1 the kernel's defaults. */
char *launch_ulimit_option(const char *ulimit)
{
        char name[32] = "", soft[32], hard[32], *option = NULL;
        struct mf_ulimit limit = { 0 };
        struct rlimit now = { 0 };

        if (read_limit(ulimit, &limit, &now) < 0)
                return NULL;
        for (size_t i = 0; limit.name[i] && i + 1 < sizeof(name); i++)
                name[i] = (char) toupper((unsigned char) limit.name[i]);
        show(now.rlim_cur, soft);
        show(now.rlim_max, hard);
        return asprintf(&option, "--rlimit=%s=%s:%s", name, soft, hard) < 0 ? NULL : option;
}
