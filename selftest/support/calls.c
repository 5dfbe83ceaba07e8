/* SPDX-License-Identifier: MIT */
#include "support/calls.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

static struct mayfly_error err; /* of the last call */

struct mayfly_error *fresh(void)
{
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        return &err;
}

void works(int r)
{
        if (r < 0)
                fail_msg("%s", err.message);
}

void is_error(int r, int code, const char *words)
{
        if (r != code || !strstr(err.message, words))
                fail_msg("%d, not %d, or there is no \"%s\" in \"%s\"", r, code, words, err.message);
}

struct mayfly_stats stats_of(struct mayfly_container *c)
{
        struct mayfly_stats stats = MAYFLY_STATS_INIT;

        works(mayfly_container_stats(c, &stats, fresh()));
        return stats;
}

void await_words(struct mayfly_container *c, const char *words)
{
        char *log = NULL;

        do {
                free(log);
                usleep(2000);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        } while (!strstr(log, words));
        free(log);
}
