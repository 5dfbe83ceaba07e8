/* SPDX-License-Identifier: MIT */

/* Tests that fail with words that XML cannot have, for test-junit. With an argument the program chooses XML itself. */

#include <mayfly/cmocka.h>

#include <stdlib.h>

static int start(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = getenv("MAYFLY_TEST_BUSYBOX"), .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("end")),
                                   .entrypoint = MAYFLY_STRINGS("/bin/sh", "-c",
                                                                "printf 'red \\033[31m ]]]> & <b> "
                                                                "\\001\\377\\357\\277\\277 \\303\\274\\n'; seq 300; "
                                                                "echo end; exec sleep 1000")));
}

static int start_without_image(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = "aci:nowhere"));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void asserts(void **state)
{
        (void) state;
        assert_int_equal(1, 2);
}

static void runs(void **state)
{
        assert_exec_stdout_sh(*state, "ready ]]>\n", "printf 'loading \\033[0m ]]>\\n'; echo why >&2");
}

static void passes(void **state)
{
        assert_exec_ok(*state, "true");
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(asserts, start, teardown),
                cmocka_unit_test_setup_teardown(runs, start, teardown),
                cmocka_unit_test_setup_teardown(passes, start_without_image, teardown),
                cmocka_unit_test_setup_teardown(passes, start, teardown),
        };

        (void) argv;
        if (argc > 1)
                cmocka_set_message_output(CM_OUTPUT_XML);
        return cmocka_run_group_tests_name("junit", tests, NULL, NULL);
}
