/* SPDX-License-Identifier: MIT */

/* What a container must not reach. On the engine direct, and on the host itself, these see more than in a nested
 * machine, where the outer container's own filter denies much. */

#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/cmocka.h>
#include <mayfly/exec.h>

#include "support/containers.h"
#include "support/small-image.h"

static const char *plain, *tracer;

static struct mayfly_container *start(const char *image, int idle)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = NULL;

        if (mayfly_container_start(&c, MAYFLY_SPEC(.image = image, .idle = idle), &err) < 0)
                fail_msg("%s", err.message);
        return c;
}

static void prints(struct mayfly_container *c, const char *line, const char *expected)
{
        const char *const argv[] = { "sh", "-c", line, NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_result *r = NULL;

        command.argv = argv;
        if (mayfly_container_run(c, &command, &r, &err) < 0)
                fail_msg("%s", err.message);
        if (strcmp(r->out, expected) != 0)
                fail_msg("\"%s\" printed:\n%s%s", line, r->out, r->err);
        mayfly_result_free(r);
}

static void calls_beyond_the_container_are_denied(void **state)
{
        struct mayfly_container *c = start(plain, 1);

        (void) state;
        prints(c, "attack calls", "tried\n");
        mayfly_container_free(c);
}

/* The owner's pidfd, the control socket: root inside, and a command as well as the app. */
static void what_init_holds_stays_with_it(void **state)
{
        struct mayfly_container *c = start(plain, 1);

        (void) state;
        prints(c, "attack init", "tried\n");
        prints(c, "cat /proc/1/comm; sed -n 's/^Uid:\\t//p' /proc/1/status", "mayfly-init\n0\t0\t0\t0\n");
        mayfly_container_free(c);
}

static void an_image_gets_no_way_to_trace_init(void **state)
{
        struct mayfly_container *c = start(tracer, 0);
        const struct mayfly_isolator *isolator = mayfly_container_isolators(c)[0];

        (void) state;
        prints(c, "attack init", "tried\n");
        prints(c, "grep -E 'Cap(Bnd|Prm)' /proc/self/status", "CapPrm:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n");
        assert_string_equal(isolator->name, "os/linux/capabilities-retain-set");
        assert_int_equal(isolator->outcome, MAYFLY_ISOLATOR_CHANGED);
        assert_non_null(strstr(isolator->detail, "the spec does not grant CAP_SYS_PTRACE"));
        mayfly_container_free(c);
}

/* A command's supervisor has its reply socket; the command itself is anybody's. */
static void only_init_is_out_of_reach(void **state)
{
        struct mayfly_container *c = start(plain, 1);

        (void) state;
        prints(c,
               "ls -l /proc/$PPID/fd 2>/dev/null | grep -c -- '->'; readlink /proc/$$/exe; [ -w /proc/$$/oom_score_adj "
               "]; echo $?",
               "0\n/bin/busybox\n0\n");
        mayfly_container_free(c);
}

static void a_command_that_its_child_traces_can_be_killed(void **state)
{
        static const char *const argv[] = { "attack", "traced", NULL };
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        struct mayfly_exec *exec = NULL;
        struct mayfly_container *c = start(plain, 1);
        char text[16] = "";

        (void) state;
        command.argv = argv;
        assert_int_equal(mayfly_exec_start(&exec, c, &command, NULL), 0);
        assert_true(mayfly_exec_read(exec, MAYFLY_STREAM_OUTPUT, text, sizeof(text) - 1, FOREVER_MS, NULL) > 0);
        assert_string_equal(text, "traced\n");
        assert_int_equal(mayfly_exec_kill(exec, NULL), 0);
        if (mayfly_exec_wait(exec, FOREVER_MS, &end, &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(end.signal, SIGKILL);
        prints(c, "ps | grep -c '[a]ttack traced'", "0\n");
        mayfly_exec_free(exec);
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(calls_beyond_the_container_are_denied),
                cmocka_unit_test(what_init_holds_stays_with_it),
                cmocka_unit_test(an_image_gets_no_way_to_trace_init),
                cmocka_unit_test(only_init_is_out_of_reach),
                cmocka_unit_test(a_command_that_its_child_traces_can_be_killed),
        };

        plain = small_image("contained", "{\"exec\":[\"sleep\",\"1000\"],\"user\":\"0\",\"group\":\"0\"}",
                            "cp '" ATTACK "' bin/attack");
        tracer = small_image("tracer",
                             "{\"exec\":[\"sleep\",\"1000\"],\"user\":\"0\",\"group\":\"0\",\"isolators\":[{\"name\":"
                             "\"os/linux/capabilities-retain-set\",\"value\":{\"set\":[\"CAP_SYS_PTRACE\","
                             "\"CAP_KILL\"]}}]}",
                             "cp '" ATTACK "' bin/attack");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
