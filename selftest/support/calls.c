/* SPDX-License-Identifier: MIT */
#include "support/calls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <mayfly/cmocka.h>

static struct mayfly_error err; /* of the last call */

struct mayfly_error *fresh(void)
{
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        return &err;
}

const char *last_message(void)
{
        return err.message;
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

void ends_well(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

int run_line(struct mayfly_container *c, const char *line)
{
        const char *const argv[] = { "/bin/sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;

        command.argv = argv;
        int r = mayfly_container_run(c, &command, &result, fresh());
        if (r == 0)
                r = result->exit->exited ? result->exit->status : -EINTR;
        mayfly_result_free(result);
        return r;
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
