/* SPDX-License-Identifier: MIT */
#include "machine/commands.h"

#include <string.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"

struct mayfly_command *command_line(const char *text)
{
        static const char *argv[] = { "sh", "-c", NULL, NULL };
        static struct mayfly_command command;

        argv[2] = text;
        command = (struct mayfly_command) MAYFLY_COMMAND_INIT;
        command.argv = argv;
        return &command;
}

struct mayfly_exec *start_command(struct mayfly_container *c, const struct mayfly_command *command)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *exec = NULL;

        if (mayfly_exec_start(&exec, c, command, &err) < 0)
                fail_msg("%s", err.message);
        return exec;
}

void write_to(struct mayfly_exec *exec, const char *text)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_exec_write(exec, text, strlen(text), FOREVER_MS, &err) != (ssize_t) strlen(text))
                fail_msg("%s", err.message);
}

void read_from(struct mayfly_exec *exec, const char *expected)
{
        size_t size = strlen(expected), done = 0;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char buffer[4096] = "";

        while (done < size) {
                ssize_t n = mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, buffer + done, size - done, FOREVER_MS, &err);
                if (n <= 0)
                        fail_msg("the output ends with \"%s\", not \"%s\" %s", buffer, expected, err.message);
                done += (size_t) n;
        }
        assert_string_equal(buffer, expected);
}

void ends_with(struct mayfly_exec *exec, int status, int signal_number)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        if (mayfly_exec_wait(exec, FOREVER_MS, &end, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(end.status, status);
        assert_int_equal(end.signal, signal_number);
        assert_int_equal(end.exited, signal_number == 0);
}
