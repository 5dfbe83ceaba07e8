/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include <mayfly/cmocka.h>

#include "shell-image.h" /* made by mayfly_add_image(): SHELL_IMAGE is the reference of the image */

static int setup(void **state) /* starts a container for each test */
{
        return mayfly_cmocka_start(state, MAYFLY_SPEC(.image = SHELL_IMAGE));
}

static int teardown(void **state) /* stops the container and leaves nothing of it */
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
