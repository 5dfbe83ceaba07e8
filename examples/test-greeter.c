/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <mayfly/cmocka.h>

#include "greeter-image.h" /* made by mayfly_add_image(): GREETER_IMAGE is the reference of the image */

static int setup(void **state)
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = GREETER_IMAGE));
}

static int teardown(void **state)
{
        return mayfly_cmocka_stop(state);
}

static void test_greeter(void **state)
{
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        char *log = NULL;

        assert_int_equal(mayfly_container_wait(*state, 10000, &end, NULL), 0); /* for the image's app to end */
        assert_int_equal(end.status, 0);
        assert_int_equal(mayfly_container_logs(*state, &log, NULL, NULL), 0);
        assert_string_equal(log, "hello world\n");
        free(log);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_greeter, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
