/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client.h"

static char answer[256];

static void test_read(void **state)
{
        (void) state;
        assert_string_equal(client_ask("MAYFLY_DB", "get row2\ncount\n", answer, sizeof(answer)), "row 2\n3\n");
}

static void test_write(void **state)
{
        (void) state;
        assert_string_equal(client_ask("MAYFLY_DB", "get mine\nset mine 1\ncount\n", answer, sizeof(answer)),
                            "none\nok\n4\n");
}

static void test_fill(void **state)
{
        (void) state;
        assert_string_equal(client_ask("MAYFLY_CACHE", "flush\nset a 1\nset b 2\ncount\n", answer, sizeof(answer)),
                            "ok\nok\nok\n2\n");
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read),
                cmocka_unit_test(test_write),
                cmocka_unit_test(test_fill),
        };

        if (argc > 1)
                cmocka_set_test_filter(argv[1]);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
