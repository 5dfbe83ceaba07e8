/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <mayfly/cmocka.h>

static int setup(void **state) /* every test gets a container of its own ... */
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = getenv("MAYFLY_DEMO_IMAGE"), .idle = 1));
}

static int teardown(void **state) /* ... of which nothing is left afterwards */
{
        return mayfly_cmocka_stop(state);
}

static void test_greeting(void **state)
{
        char *said = mayfly_cmocka_sh(*state, "echo hello > /greeting && cat /greeting");

        assert_string_equal(said, "hello\n");
        free(said);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_greeting, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
