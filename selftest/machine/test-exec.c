/* SPDX-License-Identifier: MIT */

/* Commands that run in the background, and output as it comes. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "machine/commands.h"
#include "support/containers.h"
#include "support/host.h"

static int setup(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .command_timeout_ms = FOREVER_MS));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

/* --- streaming ------------------------------------------------------------------------------------------------ */

struct streamed {
        char *data;
        size_t size, n_calls;
        int answer; /* what the callback returns */
        useconds_t pause_us;
};

static int take(const void *data, size_t size, void *userdata)
{
        struct streamed *streamed = userdata;

        streamed->data = realloc(streamed->data, streamed->size + size);
        memcpy(streamed->data + streamed->size, data, size);
        streamed->size += size;
        streamed->n_calls++;
        if (streamed->pause_us)
                usleep(streamed->pause_us);
        return streamed->answer;
}

static void output_streams_as_it_comes(void **state)
{
        enum { SIZE = 3 << 20 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct streamed streamed = { 0 };
        struct mayfly_result *result = NULL;
        char *data = malloc(SIZE);

        for (size_t i = 0; i < SIZE; i++)
                data[i] = (char) (i * 7 + i / 251);
        struct mayfly_command *command = command_line("cat; echo said >&2");
        command->input = data;
        command->input_size = SIZE;
        command->on_output = take;
        command->userdata = &streamed;
        command->output_max = 10; /* is for what is kept */
        if (mayfly_container_run(*state, command, &result, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(streamed.size, SIZE);
        assert_memory_equal(streamed.data, data, SIZE);
        assert_int_equal(result->out_size + result->out_dropped, 0);
        assert_string_equal(result->out, "");
        assert_string_equal(result->err, "said\n");
        mayfly_result_free(result);

        free(streamed.data);
        streamed = (struct streamed){ 0 };
        command = command_line("echo 1 >&2; sleep 0.2; echo 2 >&2; echo out");
        command->on_error = take;
        command->userdata = &streamed;
        assert_int_equal(mayfly_container_run(*state, command, &result, NULL), 0);
        assert_true(streamed.n_calls >= 2);
        assert_memory_equal(streamed.data, "1\n2\n", 4);
        assert_string_equal(result->out, "out\n");
        mayfly_result_free(result);
        free(streamed.data);
        free(data);
}

static void a_callback_ends_its_command(void **state)
{
        static const int answers[] = { -EBADMSG, 7 };

        for (size_t i = 0; i < 2; i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct streamed streamed = { .answer = answers[i] };
                struct mayfly_result *result = NULL;
                struct mayfly_command *command = command_line("echo one; sleep 78 & sleep 78");
                command->on_output = take;
                command->userdata = &streamed;
                assert_int_equal(mayfly_container_run(*state, command, &result, &err), answers[i]);
                assert_null(result);
                assert_non_null(
                        strstr(err.message, i ? "on_output, which was called with the output of \"sh\", returned 7"
                                              : "returned -74"));
                assert_int_equal(streamed.n_calls, 1);
                free(streamed.data);
        }
        prints_as(*state, NULL, "ps | grep -c '[s]leep 78'", "0\n");
}

static void a_slow_callback_does_not_delay_the_kill(void **state)
{
        struct streamed streamed = { .pause_us = 300000 };
        struct mayfly_result *result = NULL;
        struct mayfly_command *command = command_line("while :; do echo more; date +%s%N >/tmp/last; done");

        command->on_output = take;
        command->userdata = &streamed;
        command->timeout_ms = 200;
        assert_int_equal(mayfly_container_run(*state, command, &result, NULL), 0);
        assert_int_equal(result->timed_out, 1);
        assert_int_equal(result->exit->signal, SIGKILL);
        assert_true(streamed.size > 0);
        mayfly_result_free(result);
        free(streamed.data);
}

static void the_spec_has_a_default_timeout(void **state)
{
        struct mayfly_result *result = NULL;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = test_image("busybox"), .idle = 1, .command_timeout_ms = 100));

        (void) state;
        assert_int_equal(mayfly_container_run(c, command_line("sleep 79"), &result, NULL), 0);
        assert_int_equal(result->timed_out, 1);
        mayfly_result_free(result);
        struct mayfly_command *command = command_line("sleep 0.3");
        command->timeout_ms = FOREVER_MS;
        assert_int_equal(mayfly_container_run(c, command, &result, NULL), 0);
        assert_int_equal(result->timed_out, 0);
        mayfly_result_free(result);
        struct mayfly_exec *exec =
                start_command(c, command_line("sleep 0.3; exit 4")); /* the default is not for the background */
        ends_with(exec, 4, 0);
        mayfly_exec_free(exec);
        mayfly_container_free(c);
}

/* --- in the background ---------------------------------------------------------------------------------------- */

static void a_command_talks(void **state)
{
        struct mayfly_exec *exec =
                start_command(*state, command_line("while read l; do echo \"<$l>\"; echo \"($l)\" >&2; done; exit 5"));
        char text[64] = "";
        char expected[64];

        write_to(exec, "a\n");
        read_from(exec, "<a>\n");
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_ERROR, text, sizeof(text), FOREVER_MS, NULL), 4);
        assert_string_equal(text, "(a)\n");
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text, sizeof(text), 0, NULL), -ETIMEDOUT);
        assert_int_equal(mayfly_exec_wait(exec, 0, NULL, NULL), -ETIMEDOUT);
        snprintf(expected, sizeof(expected), "sh\n");
        snprintf(text, sizeof(text), "cat /proc/%d/comm", (int) mayfly_exec_pid(exec));
        prints_as(*state, NULL, text, expected);
        assert_int_equal(mayfly_exec_close_input(exec, NULL), 0);
        assert_int_equal(mayfly_exec_close_input(exec, NULL), 0);
        assert_int_equal(mayfly_exec_write(exec, "b", 1, 0, NULL), -EPIPE);
        ends_with(exec, 5, 0);
        ends_with(exec, 5, 0); /* it can be asked again */
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text, sizeof(text), FOREVER_MS, NULL), 0);
        mayfly_exec_free(exec);
}

static void the_rest_is_in_the_result(void **state)
{
        struct mayfly_exec *exec =
                start_command(*state, command_line("echo first; cat; echo last; echo error >&2; exit 3"));
        struct mayfly_result *result = NULL;

        read_from(exec, "first\n");
        write_to(exec, "mid\n");
        assert_int_equal(mayfly_exec_finish(exec, FOREVER_MS, &result, NULL), 0);
        assert_string_equal(result->out, "mid\nlast\n");
        assert_string_equal(result->err, "error\n");
        assert_int_equal(result->exit->status, 3);
        mayfly_result_free(result);
        mayfly_exec_free(exec);

        exec = start_command(*state, command_line("echo early; sleep 0.3; head -c 300000 /dev/zero; echo late >&2"));
        while (mayfly_exec_finish(exec, 50, &result, NULL) == -ETIMEDOUT)
                ;
        assert_int_equal(result->out_size, 300006);
        assert_memory_equal(result->out, "early\n", 7);
        assert_string_equal(result->err, "late\n");
        mayfly_result_free(result);
        mayfly_exec_free(exec);
}

static void signals_reach_it(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *exec = start_command(
                *state,
                command_line("trap 'echo usr1' USR1; trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done"));

        read_from(exec, "ready\n");
        assert_int_equal(mayfly_exec_signal(exec, SIGUSR1, NULL), 0);
        read_from(exec, "usr1\n");
        assert_int_equal(mayfly_exec_signal(exec, SIGTERM, NULL), 0);
        ends_with(exec, 9, 0);
        assert_int_equal(mayfly_exec_signal(exec, SIGTERM, &err), -ESRCH);
        assert_non_null(strstr(err.message, "has ended and can get no signal 15"));
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        mayfly_exec_free(exec);

        exec = start_command(*state, command_line("setsid sh -c 'sleep 76 & sleep 76' & sleep 76"));
        assert_int_equal(mayfly_exec_signal(exec, 0, NULL), -EINVAL);
        assert_int_equal(mayfly_exec_signal(exec, 1000, NULL), -EINVAL);
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        ends_with(exec, 0, SIGKILL);
        prints_as(*state, NULL, "ps | grep -c '[s]leep 76'", "0\n");
        mayfly_exec_free(exec);
}

/* Root inside can stop the process that watches over a command, which then takes no messages. */
static void nobody_waits_for_a_stopped_supervisor(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *exec =
                start_command(*state, command_line("read x; kill -STOP $PPID; echo stopped; sleep 1000"));
        char line[128];
        int r = 0;

        write_to(exec, "\n");
        read_from(exec, "stopped\n");
        for (unsigned n = 0; r == 0 && n < 10000; n++)
                r = mayfly_exec_signal(exec, SIGCONT, &err);
        assert_int_equal(r, -EAGAIN);
        assert_non_null(strstr(err.message, "let it continue with SIGCONT, or stop the container"));
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        snprintf(line, sizeof(line), "kill -CONT $(sed -n 's/^PPid:\t//p' /proc/%d/status)",
                 (int) mayfly_exec_pid(exec));
        prints_as(*state, NULL, line, "");
        ends_with(exec, 0, SIGKILL);
        mayfly_exec_free(exec);
}

struct writer {
        struct mayfly_exec *exec;
        ssize_t n;
        struct mayfly_error err;
};

static void *write_much(void *userdata)
{
        static const char data[200000];
        struct writer *writer = userdata;

        writer->n = mayfly_exec_write(writer->exec, data, sizeof(data), UINT32_MAX, &writer->err);
        return NULL;
}

static int has_room(struct mayfly_exec *exec)
{
        struct pollfd fd = { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_INPUT), .events = POLLOUT };

        return poll(&fd, 1, 0) == 1;
}

/* A thread that waits for room does so alone, and writes no more once another has closed the input or killed the command. */
static void a_writer_holds_nobody_up(void **state)
{
        for (int kills = 0; kills < 2; kills++) {
                struct writer writers[2];
                pthread_t threads[2];
                struct mayfly_exec *exec = start_command(*state, command_line("sleep 77"));
                for (size_t i = 0; i < 2; i++) {
                        writers[i] = (struct writer){ .exec = exec, .err = MAYFLY_ERROR_INIT };
                        assert_int_equal(pthread_create(&threads[i], NULL, write_much, &writers[i]), 0);
                }
                while (has_room(exec))
                        usleep(1000);
                assert_int_equal(mayfly_exec_write(exec, "x", 1, 10, NULL), -ETIMEDOUT);
                assert_int_equal(kills ? mayfly_exec_kill(exec, NULL) : mayfly_exec_close_input(exec, NULL), 0);
                for (size_t i = 0; i < 2; i++)
                        assert_int_equal(pthread_join(threads[i], NULL), 0);
                size_t first = writers[0].n < 0;
                assert_true(writers[first].n > 0 && writers[first].n < 200000);
                assert_int_equal(writers[!first].n, -EPIPE);
                assert_non_null(strstr(writers[!first].err.message, kills ? "Broken pipe" : "is closed"));
                mayfly_exec_free(exec);
        }
}

static void freeing_it_kills_it(void **state)
{
        struct mayfly_exec *exec = start_command(*state, command_line("sleep 75 & sleep 75"));

        mayfly_exec_free(exec);
        prints_as(*state, NULL, "while ps | grep -q '[s]leep 75'; do sleep 0.01; done; echo gone", "gone\n");
}

static void it_can_be_polled(void **state)
{
        struct mayfly_exec *exec = start_command(*state, command_line("sleep 0.1; echo x; read y; echo z >&2; exit 1"));
        struct pollfd fds[] = { { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_OUTPUT), .events = POLLIN },
                                { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_ERROR), .events = POLLIN },
                                { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_INPUT), .events = POLLOUT },
                                { .fd = mayfly_exec_fd(exec, MAYFLY_EXEC_END), .events = POLLIN } };

        assert_int_equal(poll(&fds[2], 1, 0), 1);
        assert_int_equal(fds[2].revents, POLLOUT);
        assert_int_equal(poll(&fds[0], 1, -1), 1);
        assert_int_equal(poll(&fds[3], 1, 0), 0);
        read_from(exec, "x\n");
        assert_int_equal(poll(&fds[0], 1, 0), 0);
        write_to(exec, "\n");
        assert_int_equal(poll(&fds[1], 1, -1), 1);
        assert_int_equal(poll(&fds[3], 1, -1), 1);
        ends_with(exec, 1, 0);
        assert_int_equal(mayfly_exec_fd(exec, (enum mayfly_exec_event) 9), -1);
        mayfly_exec_free(exec);
}

static void a_timeout_holds_with_nobody_waiting(void **state)
{
        struct mayfly_command *command = command_line("sleep 74 & echo begun; sleep 74");
        struct mayfly_result *result = NULL;

        command->timeout_ms = 100;
        struct mayfly_exec *exec = start_command(*state, command);
        prints_as(*state, NULL, "while ps | grep -q '[s]leep 74'; do sleep 0.01; done; echo gone", "gone\n");
        assert_int_equal(mayfly_exec_finish(exec, FOREVER_MS, &result, NULL), 0);
        assert_int_equal(result->timed_out, 1);
        assert_string_equal(result->out, "begun\n");
        mayfly_result_free(result);
        mayfly_exec_free(exec);
}

/* One that does not read takes what a pipe holds, and then nothing; one whose end is gone takes nothing, and raises no signal. */
static void nobody_need_read(void **state)
{
        static char data[1 << 20];
        struct mayfly_exec *exec = start_command(*state, command_line("exec 0</dev/null; echo closed; sleep 73"));

        read_from(exec, "closed\n");
        assert_int_equal(mayfly_exec_write(exec, data, sizeof(data), FOREVER_MS, NULL), -EPIPE);
        mayfly_exec_free(exec);
        exec = start_command(*state, command_line("sleep 73"));
        ssize_t n = mayfly_exec_write(exec, data, sizeof(data), 0, NULL);
        assert_true(n > 0 && n < (ssize_t) sizeof(data));
        assert_int_equal(mayfly_exec_write(exec, data, sizeof(data), 10, NULL), -ETIMEDOUT);
        mayfly_exec_free(exec);
}

static void bad_input_is_named(void **state)
{
        static const char *const none[] = { "no-such-program", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *exec = NULL;
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        char byte;

        command.argv = none;
        assert_int_equal(mayfly_exec_start(&exec, *state, &command, &err), -ENOENT);
        assert_non_null(strstr(err.message, "\"no-such-program\": not found in the container's PATH"));
        assert_null(exec);
        command.rows = 10;
        assert_int_equal(mayfly_exec_start(&exec, *state, &command, NULL), -EINVAL);
        command = *command_line("true");
        command.input = "given";
        command.input_size = 5;
        exec = start_command(*state, &command);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_exec_write(exec, "x", 1, 0, &err), -EPIPE);
        assert_non_null(strstr(err.message, "was given with the command"));
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_MERGED, &byte, 1, 0, NULL), -EINVAL);
        assert_int_equal(mayfly_exec_resize(exec, 10, 10, NULL), -ENOTTY);
        ends_with(exec, 0, 0);
        mayfly_exec_free(exec);
}

static void a_forked_child_cannot_use_it(void **state)
{
        struct mayfly_exec *exec = start_command(*state, command_line("read x; exit 6"));
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
                char byte;
                int refused = mayfly_exec_wait(exec, 0, NULL, NULL) == -ECHILD &&
                              mayfly_exec_kill(exec, NULL) == -ECHILD &&
                              mayfly_exec_write(exec, "x", 1, 0, NULL) == -ECHILD &&
                              mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, &byte, 1, 0, NULL) == -ECHILD;
                mayfly_exec_free(exec);
                _exit(refused ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        write_to(exec, "\n"); /* the child killed nothing */
        ends_with(exec, 6, 0);
        mayfly_exec_free(exec);
}

static void a_paused_container_runs_none(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exec *late = NULL, *exec = start_command(*state, command_line("read x; exit 2"));

        assert_int_equal(mayfly_container_pause(*state, NULL), 0);
        assert_int_equal(mayfly_exec_start(&late, *state, command_line("true"), &err), -EBUSY);
        assert_non_null(strstr(err.message, "is paused; resume it first, by mayfly_container_resume()"));
        write_to(exec, "\n");
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_exec_wait(exec, 50, NULL, &err), -EBUSY);
        assert_non_null(strstr(err.message, "is paused"));
        assert_int_equal(mayfly_exec_signal(exec, SIGTERM, NULL), -EBUSY);
        assert_int_equal(mayfly_exec_kill(exec, NULL), -EBUSY);
        assert_int_equal(mayfly_container_resume(*state, NULL), 0);
        ends_with(exec, 2, 0);
        mayfly_exec_free(exec);
}

/* --- with its container --------------------------------------------------------------------------------------- */

static void it_ends_with_its_container(void **state)
{
        static const char *const app[] = { "sh", "-c", "echo famous last words; sleep 0.3; exit 7", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = test_image("busybox"), .argv = app));
        struct mayfly_exec *exec = start_command(c, command_line("sleep 1000"));
        char byte;

        (void) state;
        assert_int_equal(mayfly_exec_wait(exec, FOREVER_MS, NULL, &err), -ESRCH);
        assert_non_null(strstr(err.message, "exited with status 7; its output ends with:\n  | famous last words"));
        assert_int_equal(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, &byte, 1, FOREVER_MS, NULL), 0);
        struct mayfly_exec *late = NULL;
        assert_int_equal(mayfly_exec_start(&late, c, command_line("true"), NULL), -ESRCH);
        mayfly_container_free(c);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_exec_wait(exec, 0, NULL, &err), -ESRCH);
        assert_non_null(strstr(err.message, "has been stopped and freed"));
        assert_int_equal(mayfly_exec_signal(exec, SIGTERM, NULL), -ESRCH);
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        mayfly_exec_free(exec);
}

int main(void)
{
#define WITH(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                WITH(output_streams_as_it_comes),
                WITH(a_callback_ends_its_command),
                WITH(a_slow_callback_does_not_delay_the_kill),
                cmocka_unit_test(the_spec_has_a_default_timeout),
                WITH(a_command_talks),
                WITH(the_rest_is_in_the_result),
                WITH(signals_reach_it),
                WITH(nobody_waits_for_a_stopped_supervisor),
                WITH(a_writer_holds_nobody_up),
                WITH(freeing_it_kills_it),
                WITH(it_can_be_polled),
                WITH(a_timeout_holds_with_nobody_waiting),
                WITH(nobody_need_read),
                WITH(bad_input_is_named),
                WITH(a_forked_child_cannot_use_it),
                WITH(a_paused_container_runs_none),
                cmocka_unit_test(it_ends_with_its_container),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
