/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include <mayfly/cmocka.h>

#include "greeter-image.h" /* made by mayfly_add_image(): the reference of the image that was just built */

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
        char *log = NULL;

        assert_int_equal(mayfly_container_logs(*state, &log, NULL, NULL), 0);
        assert_string_equal(log, "hello world\n");
        free(log);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_greeter, setup, teardown) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
