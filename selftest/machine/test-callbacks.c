/* SPDX-License-Identifier: MIT */

/* The functions of a spec that are called at times of a container's life, and longer time-outs for slow machines. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/host.h"

static const char *busybox;

/* What was called, and what the next calls return. */
struct calls {
        char text[256];
        int start, ready, stop;
};

static void note(struct calls *calls, const char *word)
{
        strncat(calls->text, word, sizeof(calls->text) - strlen(calls->text) - 1);
}

static int before_start(struct mayfly_container *c, void *userdata)
{
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        struct calls *calls = userdata;

        assert_non_null(strchr(mayfly_container_name(c), '-'));
        works(mayfly_container_address(c, "80", &address, fresh()));
        assert_true(address.port > 0);
        note(calls, "start ");
        return calls->start;
}

static void *run_true(void *c)
{
        assert_int_equal(sh(c, "true"), 0);
        return NULL;
}

/* The container can be used, and by other threads, too. */
static int on_ready(struct mayfly_container *c, void *userdata)
{
        struct calls *calls = userdata;
        pthread_t thread;

        assert_int_equal(sh(c, "cat /tmp/app && echo made >> /tmp/made"), 0);
        assert_int_equal(pthread_create(&thread, NULL, run_true, c), 0);
        pthread_join(thread, NULL);
        note(calls, "ready ");
        return calls->ready;
}

static int before_stop(struct mayfly_container *c, void *userdata)
{
        struct calls *calls = userdata;

        assert_int_equal(sh(c, "test -e /tmp/app && test -e /proc/2"), 0);
        note(calls, "stop ");
        return calls->stop;
}

#define CALLS(...)                                                                                              \
        MAYFLY_SPEC(.image = busybox,                                                                           \
                    .argv = MAYFLY_STRINGS("/bin/sh", "-c", "echo app > /tmp/app; sleep 1000 & wait"),          \
                    .wait = MAYFLY_WAIT(MAYFLY_WAIT_FILE("/tmp/app")), .publish = MAYFLY_PORTS({ .port = 80 }), \
                    .stop_signal = SIGKILL, .before_start = before_start, .on_ready = on_ready,                 \
                    .before_stop = before_stop, __VA_ARGS__)

static void each_life_has_its_calls(void **state)
{
        struct calls calls = { 0 };
        struct mayfly_container *c = start_container(CALLS(.life_userdata = &calls));
        struct mayfly_snapshot *snapshot = NULL;

        (void) state;
        assert_string_equal(calls.text, "start ready ");
        works(mayfly_container_restart(c, fresh()));
        assert_string_equal(calls.text, "start ready stop start ready ");
        *calls.text = '\0';
        works(mayfly_container_pause(c, fresh()));
        works(mayfly_container_halt(c, fresh()));
        works(mayfly_container_halt(c, fresh()));
        assert_string_equal(calls.text, "stop ");
        works(mayfly_container_snapshot(c, &snapshot, fresh()));
        works(mayfly_container_start_again(c, fresh()));
        works(mayfly_container_reset(c, fresh()));
        assert_string_equal(calls.text, "stop start ready stop start ready ");
        prints_as(c, NULL, "cat /tmp/made", "made\nmade\nmade\n");
        *calls.text = '\0';
        works(mayfly_container_stop(c, fresh()));
        mayfly_container_free(c);
        assert_string_equal(calls.text, "stop ");
        mayfly_snapshot_free(snapshot);
}

/* A container that has ended by itself has nothing to be called for; a free is an end like others. */
static void an_end_is_called_for_once(void **state)
{
        struct calls calls = { 0 };
        struct mayfly_container *c = start_container(CALLS(.life_userdata = &calls));

        (void) state;
        mayfly_container_free(c);
        assert_string_equal(calls.text, "start ready stop ");
        *calls.text = '\0';
        c = start_container(CALLS(.life_userdata = &calls));
        works(mayfly_container_kill(c, SIGKILL, fresh()));
        works(mayfly_container_wait(c, FOREVER_MS, NULL, fresh()));
        mayfly_container_free(c);
        assert_string_equal(calls.text, "start ready ");
}

static void calls_that_fail_say_so(void **state)
{
        struct calls calls = { .start = -EXDEV };

        (void) state;
        start_fails(CALLS(.life_userdata = &calls), -EXDEV, "before_start of the spec of container test-callbacks-");
        assert_string_equal(calls.text, "start ");
        calls = (struct calls){ .ready = -EDOM };
        start_fails(CALLS(.life_userdata = &calls), -EDOM, "returned -33: Numerical argument out of domain");
        assert_string_equal(calls.text, "start ready ");
        start_fails(CALLS(.life_userdata = &calls, .spare = 1), -EINVAL, "both spare and before_start, on_ready or");
        calls = (struct calls){ .ready = 5 };
        start_fails(CALLS(.life_userdata = &calls), -EINVAL, "returned 5; it must return 0 or a negative errno");
        calls = (struct calls){ .stop = -EDOM };
        struct mayfly_container *c = start_container(CALLS(.life_userdata = &calls));
        is_error(mayfly_container_halt(c, fresh()), -EDOM, "before_stop of the spec of container test-callbacks-");
        assert_int_equal(stats_of(c).state, MAYFLY_STATE_ENDED);
        works(mayfly_container_start_again(c, fresh()));
        is_error(mayfly_container_stop(c, fresh()), -EDOM, "before_stop of the spec");
        works(mayfly_container_stop(c, fresh()));
        mayfly_container_free(c);
}

/* The command takes longer than its time-out, but not than what the factor makes of it. */
static void time_outs_are_multiplied(void **state)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_stop_result stop = MAYFLY_STOP_RESULT_INIT;
        struct mayfly_result *result = NULL;

        (void) state;
        assert_int_equal(setenv("MAYFLY_TIMEOUT_FACTOR", "1000", 1), 0);
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = busybox, .start_timeout_ms = 60, .stop_timeout_ms = 70,
                            .argv = MAYFLY_STRINGS("/bin/sh", "-c", "sleep 0.2; echo late; exec sleep 1000"),
                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("late", .timeout_ms = 90)), .command_timeout_ms = 80));
        command.argv = MAYFLY_STRINGS("sleep", "0.2");
        works(mayfly_container_run(c, &command, &result, fresh()));
        assert_true(!result->timed_out && result->exit->exited && result->exit->status == 0);
        mayfly_result_free(result);
        works(mayfly_container_kill(c, SIGKILL, fresh()));
        works(mayfly_container_wait(c, 100, NULL, fresh()));
        works(mayfly_container_stop(c, fresh()));
        works(mayfly_container_stop_result(c, &stop, fresh()));
        assert_int_equal(stop.timeout_ms, 70000);
        mayfly_container_free(c);
        assert_int_equal(setenv("MAYFLY_TIMEOUT_FACTOR", "slow", 1), 0);
        start_fails(MAYFLY_SPEC(.image = busybox), -EINVAL, "MAYFLY_TIMEOUT_FACTOR is \"slow\"; give a number from 1");
        unsetenv("MAYFLY_TIMEOUT_FACTOR");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_life_has_its_calls),
                cmocka_unit_test(an_end_is_called_for_once),
                cmocka_unit_test(calls_that_fail_say_so),
                cmocka_unit_test(time_outs_are_multiplied),
        };

        busybox = test_image("busybox");
        return cmocka_run_group_tests_name("callbacks", tests, NULL, NULL);
}
