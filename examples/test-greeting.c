#include <mayfly/cmocka.h>
#include <stdlib.h>

/* An image is always pinned: "aci:https://example.com/greeting.aci@sha512-<128 hex digits>". */
static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = getenv("MAYFLY_DEMO_IMAGE")));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void test_greeting(void **state)
{
        char *out = mayfly_cmocka_sh(*state, "echo hello from $(cat /proc/1/comm)");

        assert_string_equal(out, "hello from mayfly-init\n");
        free(out);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_greeting, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
