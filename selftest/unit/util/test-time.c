/* SPDX-License-Identifier: MIT */
/* The time that is left is a number that poll() takes. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/time.h"

static void what_is_left_is_never_negative(void **state)
{
        uint64_t now = mf_now_us();

        (void) state;
        assert_int_equal(mf_left_ms(0), 0);
        assert_int_equal(mf_left_ms(now), 0);
        assert_true(mf_left_ms(now + UINT64_C(1000000000)) > 0);
        assert_int_equal(mf_left_ms(now + ((uint64_t) UINT32_MAX - 1) * 1000), INT_MAX);
        assert_int_equal(mf_left_ms(UINT64_MAX), INT_MAX);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(what_is_left_is_never_negative) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
