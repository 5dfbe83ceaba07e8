/* SPDX-License-Identifier: MIT */
#ifndef ATTACKS_H
#define ATTACKS_H

#include <errno.h>

/* An attack: `try` returns 0 or more if it succeeded, else -errno. */
struct attack {
        const char *name;
        long (*try)(void);
        int alone; /* not one of "all" */
};

/* attack-calls.c: system calls and sockets. It ends with a NULL. */
extern const struct attack attack_calls[];
/* Makes such a socket and closes it. Returns 0 or -errno. */
long socket_of(int family, int type, int protocol);

static inline long result(long r)
{
        return r < 0 ? -errno : r;
}

/* Of several tries: the first that succeeded, else the last error. */
static inline long best(long so_far, long r)
{
        return so_far >= 0 ? so_far : r;
}

#endif
