/* SPDX-License-Identifier: MIT */

/* Groups of tests that pass, fail and break in their setup, for test-fixture to look at from outside. */

#include <mayfly/cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int start(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX")));
}

/* This signal does not end the app, so it is killed. */
static int start_stubborn(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .stop_signal = SIGCONT,
                                                      .stop_timeout_ms = 100));
}

static int start_and_break(void **state)
{
        return start(state) < 0 ? -1 : 1;
}

static int start_and_assert(void **state)
{
        (void) start(state);
        fail_msg("%s", "the server has no tables");
        return 0;
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void named_after_the_test(void **state)
{
        fprintf(stderr, "name: %s\n", mayfly_container_name(*state));
}

static void has_a_shell(void **state)
{
        char *out = mayfly_cmocka_sh(*state, "echo from the container");

        assert_string_equal(out, "from the container\n");
        free(out);
        assert_exec_ok(*state, "test", "-d", "/proc");
        assert_exec_status_sh(*state, 3, "exit 3");
        assert_exec_stdout(*state, "two words\n", "echo", "two words");
        assert_exec_stdout_bytes(*state, "a\0b", 3, "printf", "a\\0b");
}

static void fails(void **state)
{
        free(mayfly_cmocka_sh(*state, "echo to stderr >&2; exit 3"));
}

static void expects_another_output(void **state)
{
        assert_exec_stdout_sh(*state, "it's here\n", "echo \"it's there\"; echo why >&2");
}

static int start_and_crash(void **state)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;

        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .cwd = "/tmp",
                                                      .keep_files = 1, .ulimits = MAYFLY_STRINGS("core=-1"),
                                                      .argv = MAYFLY_STRINGS("/bin/sh", "-c", "kill -SEGV $$"))) < 0
                       ? -1
                       : mayfly_container_wait(*state, 60000, &end, NULL);
}

static void skips(void **state)
{
        (void) state;
        skip();
}

int main(int argc, char **argv)
{
        const char *which = argc > 1 ? argv[1] : "pass";
        const struct CMUnitTest pass[] = {
                cmocka_unit_test_setup_teardown(named_after_the_test, start, teardown),
                cmocka_unit_test_setup_teardown(has_a_shell, start, teardown),
        };
        const struct CMUnitTest stubborn[] = { cmocka_unit_test_setup_teardown(has_a_shell, start_stubborn, teardown) };
        const struct CMUnitTest fail[] = { cmocka_unit_test_setup_teardown(fails, start, teardown) };
        const struct CMUnitTest output[] = { cmocka_unit_test_setup_teardown(expects_another_output, start, teardown) };
        const struct CMUnitTest crash[] = { cmocka_unit_test_setup_teardown(fails, start_and_crash, teardown) };
        const struct CMUnitTest in_group[] = { cmocka_unit_test(has_a_shell), cmocka_unit_test(fails) };
        const struct CMUnitTest setup[] = { cmocka_unit_test_setup_teardown(has_a_shell, start_and_break, teardown) };
        const struct CMUnitTest asserts[] = { cmocka_unit_test_setup_teardown(has_a_shell, start_and_assert,
                                                                              teardown) };
        const struct CMUnitTest skipped[] = { cmocka_unit_test_setup_teardown(skips, start, teardown) };

        if (strcmp(which, "assert") == 0) {
                int r = cmocka_run_group_tests(asserts, NULL, NULL);
                fflush(NULL);
                return system("echo $(pgrep -c -f '[m]ayfly-launch --machine fixture-sample') containers left") == 0
                               ? r
                               : 2;
        }
        if (strcmp(which, "skip") == 0)
                return cmocka_run_group_tests(skipped, NULL, NULL);
        if (strcmp(which, "pass") == 0)
                return cmocka_run_group_tests(pass, NULL, NULL);
        if (strcmp(which, "stubborn") == 0)
                return cmocka_run_group_tests(stubborn, NULL, NULL);
        if (strcmp(which, "fail") == 0)
                return cmocka_run_group_tests(fail, NULL, NULL);
        if (strcmp(which, "output") == 0)
                return cmocka_run_group_tests(output, NULL, NULL);
        if (strcmp(which, "crash") == 0)
                return cmocka_run_group_tests(crash, NULL, NULL);
        if (strcmp(which, "group") == 0)
                return cmocka_run_group_tests(in_group, start, teardown);
        return cmocka_run_group_tests(setup, NULL, NULL);
}
