/* SPDX-License-Identifier: MIT */
/* The failing test of the transcript. */
#include <mayfly/cmocka.h>

static int setup(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = IMAGE, .wait = MAYFLY_WAIT(MAYFLY_WAIT_LOG("ready")),
                                   .entrypoint = MAYFLY_STRINGS(
                                           "/bin/sh", "-c", "echo 3 apples in store; echo ready; exec sleep 1000")));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void sells_apples(void **state)
{
        assert_exec_stdout(*state, "sold\n", "/bin/sh", "-c", "echo out of apples");
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(sells_apples, setup, teardown) };

        return cmocka_run_group_tests_name("shop", tests, NULL, NULL);
}
