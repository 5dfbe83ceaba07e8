/* SPDX-License-Identifier: MIT */
#include "support/containers.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

struct mayfly_container *start_container(const struct mayfly_spec *spec)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        if (mayfly_container_start(&c, spec, &err) < 0)
                fail_msg("%s", err.message);
        return c;
}

void start_fails(const struct mayfly_spec *spec, int code, const char *words)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        int r = mayfly_container_start(&c, spec, &err);
        if (r == 0)
                mayfly_container_free(c);
        else
                assert_null(c);
        if (r != code || !strstr(err.message, words))
                fail_msg("the start returned %d, not %d, or there is no \"%s\" in \"%s\"", r, code, words, err.message);
}

void await_output(struct mayfly_container *c)
{
        char *log = NULL;

        do {
                free(log);
                usleep(5000);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        } while (!*log);
        free(log);
}

void prints_as(struct mayfly_container *c, const char *user, const char *line, const char *expected)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;

        command.argv = argv;
        command.user = user;
        if (mayfly_container_run(c, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        if (strcmp(r->out, expected) != 0)
                fail_msg("\"%s\" printed:\n%s%s", line, r->out, r->err);
        mayfly_result_free(r);
}

void free_result(struct mayfly_result **r)
{
        mayfly_result_free(*r);
}

int sh(struct mayfly_container *c, const char *line)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        __attribute__((cleanup(free_result))) struct mayfly_result *r = NULL;

        command.argv = argv;
        command.timeout_ms = FOREVER_MS;
        if (mayfly_container_run(c, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        return r->exit->exited ? r->exit->status : -r->exit->signal;
}

void ends(struct mayfly_container *c, int status, const char *output)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char *log = NULL;

        if (mayfly_container_wait(c, 30000, &end, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_string_equal(log, output);
        assert_true(end.exited);
        assert_int_equal(end.status, status);
        free(log);
        mayfly_container_free(c);
}

void stops(struct mayfly_container *c, int timed_out)
{
        struct mayfly_stop_result result = MAYFLY_STOP_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_container_stop(c, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(mayfly_container_stop_result(c, &result, NULL), 0);
        assert_int_equal(result.timed_out, timed_out);
        mayfly_container_free(c);
}
