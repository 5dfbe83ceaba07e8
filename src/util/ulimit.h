/* SPDX-License-Identifier: MIT */
#ifndef MF_ULIMIT_H
#define MF_ULIMIT_H

/* Limits of processes, see setrlimit(2), as docker and podman write them: "nofile=1024:4096". */

#include <stdint.h>

struct mf_ulimit {
        const char *name; /* "nofile" */
        int resource;     /* RLIMIT_NOFILE */
        uint64_t soft, hard;
};

/* Reads "NAME=SOFT[:HARD]", whose values are numbers, or -1 or "unlimited" for no limit. Returns NULL, or what is wrong with it, for a
 * message. */
const char *mf_ulimit_parse(const char *text, struct mf_ulimit *ret);

#endif
