/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "executor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/host.h"

const char *app(const char *name)
{
        char image[64];

        snprintf(image, sizeof(image), "app-%s", name);
        return test_image(image);
}

struct mayfly_container *start_spec(struct mayfly_spec spec, const char *name)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        spec.size = sizeof(spec);
        spec.image = app(name);
        if (mayfly_container_start(&c, &spec, &err) < 0)
                fail_msg("%s: %s", name, err.message);
        return c;
}

struct mayfly_container *start(const char *name)
{
        return start_spec((struct mayfly_spec){ 0 }, name);
}

void start_fails(struct mayfly_spec spec, const char *name, int code, ...)
{
        struct mayfly_container *c = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        va_list words;
        const char *word;

        spec.size = sizeof(spec);
        spec.image = app(name);
        int r = mayfly_container_start(&c, &spec, &err);
        assert_null(c);
        if (r != code)
                fail_msg("%s: %d, not %d: %s", name, r, code, err.message);
        va_start(words, code);
        while ((word = va_arg(words, const char *)))
                if (!strstr(err.message, word))
                        fail_msg("%s: no \"%s\" in \"%s\"", name, word, err.message);
        va_end(words);
}

char *await_log(struct mayfly_container *c, const char *text)
{
        char *log = NULL;

        for (unsigned i = 0; i < 500; i++) {
                free(log);
                assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
                if (strstr(log, text))
                        return log;
                usleep(10000);
        }
        fail_msg("no \"%s\" in \"%s\"", text, log);
        return log;
}

void expect_log(const char *name, const char *text)
{
        struct mayfly_container *c = start(name);

        free(await_log(c, text));
        assert_null(mayfly_container_free(c));
}

void expect_output(struct mayfly_container *c, const char *line, const char *output)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_result *result = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        command.argv = argv;
        if (mayfly_container_run(c, &command, &result, &err) < 0)
                fail_msg("%s", err.message);
        if (strcmp(result->out, output) != 0)
                fail_msg("%s\ngave \"%s\", not \"%s\" (%s)", line, result->out, output, result->err);
        mayfly_result_free(result);
}
