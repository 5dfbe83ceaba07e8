/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/ulimit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "util/macro.h"

/* docker's names, as in limits.conf(5). */
#define NAMES                                                                                                          \
        "as, core, cpu, data, fsize, locks, memlock, msgqueue, nice, nofile, nproc, rss, rtprio, rttime, sigpending, " \
        "stack"

static const struct {
        const char *name;
        int resource;
} limits[] = {
        { "as", RLIMIT_AS },           { "core", RLIMIT_CORE },         { "cpu", RLIMIT_CPU },
        { "data", RLIMIT_DATA },       { "fsize", RLIMIT_FSIZE },       { "locks", RLIMIT_LOCKS },
        { "memlock", RLIMIT_MEMLOCK }, { "msgqueue", RLIMIT_MSGQUEUE }, { "nice", RLIMIT_NICE },
        { "nofile", RLIMIT_NOFILE },   { "nproc", RLIMIT_NPROC },       { "rss", RLIMIT_RSS },
        { "rtprio", RLIMIT_RTPRIO },   { "rttime", RLIMIT_RTTIME },     { "sigpending", RLIMIT_SIGPENDING },
        { "stack", RLIMIT_STACK },
};

/* Reads a value that ends with `end`. Returns 0 or -EINVAL. */
static int read_value(const char *text, const char *end, uint64_t *ret)
{
        static const char *const none[] = { "-1", "unlimited" };
        const size_t length = (size_t) (end - text);
        char *stop;

        for (size_t i = 0; i < MF_ELEMENTSOF(none); i++)
                if (length == strlen(none[i]) && memcmp(text, none[i], length) == 0) {
                        *ret = RLIM_INFINITY;
                        return 0;
                }
        if (*text < '0' || *text > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, &stop, 10);
        return stop == end && errno == 0 ? 0 : -EINVAL;
}

const char *mf_ulimit_parse(const char *text, struct mf_ulimit *ret)
{
        const size_t length = strcspn(text, "=");
        const char *soft = text + length + 1;
        size_t i = 0;

        while (i < MF_ELEMENTSOF(limits) &&
               (strlen(limits[i].name) != length || memcmp(limits[i].name, text, length) != 0))
                i++;
        if (i == MF_ELEMENTSOF(limits))
                return "there is no such limit; these are known: " NAMES;
        ret->name = limits[i].name;
        ret->resource = limits[i].resource;
        if (!text[length])
                return "it has no value; write NAME=SOFT:HARD";
        const char *colon = soft + strcspn(soft, ":"), *end = soft + strlen(soft);
        const char *hard = *colon ? colon + 1 : soft;
        if (read_value(soft, colon, &ret->soft) < 0 || read_value(hard, end, &ret->hard) < 0)
                return "a value is a number, or -1 for no limit";
        return ret->soft > ret->hard ? "the soft limit, which comes first, is above the hard limit" : NULL;
}
