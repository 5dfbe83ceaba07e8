/* SPDX-License-Identifier: MIT */
#include "waits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "support/containers.h"

void starts(const struct mayfly_spec *spec)
{
        mayfly_container_free(start_container(spec));
}

void fails(const struct mayfly_spec *spec, int code, ...)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;
        va_list words;

        int r = mayfly_container_start(&c, spec, &err);
        if (r != code)
                fail_msg("%d, not %d: %s", r, code, err.message);
        assert_null(c);
        va_start(words, code);
        for (const char *word; (word = va_arg(words, const char *));)
                if (!strstr(err.message, word))
                        fail_msg("no \"%s\" in \"%s\"", word, err.message);
        va_end(words);
}

void waits(struct mayfly_container *c, const struct mayfly_wait *wait)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_wait_for(c, wait, &err) < 0)
                fail_msg("%s", err.message);
}

void wait_fails(struct mayfly_container *c, const struct mayfly_wait *wait, int code, const char *words)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mayfly_container_wait_for(c, wait, &err);
        if (r == -ETIMEDOUT && !strstr(err.message, words) && !getenv("MAYFLY_TIMEOUT_FACTOR")) {
                /* On a busy machine the short time-out may come before what it is to find. */
                setenv("MAYFLY_TIMEOUT_FACTOR", "30", 1);
                err = (struct mayfly_error) MAYFLY_ERROR_INIT;
                r = mayfly_container_wait_for(c, wait, &err);
                unsetenv("MAYFLY_TIMEOUT_FACTOR");
        }
        if (r != code || !strstr(err.message, words))
                fail_msg("%d, and no \"%s\" in \"%s\"", r, words, err.message);
}
