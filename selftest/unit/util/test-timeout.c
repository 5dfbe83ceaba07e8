/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/timeout.h"

#define NAME "MAYFLY_TIMEOUT_FACTOR"

static void scales(const char *factor, unsigned ms, unsigned expected)
{
        assert_int_equal(setenv(NAME, factor, 1), 0);
        assert_int_equal(mf_timeout_check(NULL), 0);
        assert_int_equal(mf_timeout_ms(ms), expected);
        assert_true(mf_timeout_end_from(7, ms) == 7 + (uint64_t) expected * 1000);
}

static void time_outs_are_multiplied(void **state)
{
        (void) state;
        assert_int_equal(unsetenv(NAME), 0);
        assert_int_equal(mf_timeout_ms(500), 500);
        scales("", 500, 500);
        scales("1", 500, 500);
        scales("1.0", 500, 500);
        scales("2.5", 500, 1250);
        scales("3.125", 1000, 3125);
        scales("10", 0, 0);
        scales("10", UINT32_MAX, UINT32_MAX);
        scales("1000", 5000000, UINT32_MAX);
        scales("1000", 4294967, 4294967000U);
}

static void other_factors_are_refused(void **state)
{
        static const char *const wrong[] = { "0",   "0.5", "-2", "1001", "1000.1", "2x", "x",
                                             "2,5", "2.",  ".5", "1e3",  "1.0001", " 2", "99999999999999" };

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(setenv(NAME, wrong[i], 1), 0);
                assert_int_equal(mf_timeout_check(&err), -EINVAL);
                assert_non_null(strstr(err.message, "MAYFLY_TIMEOUT_FACTOR is \""));
                assert_non_null(strstr(err.message, wrong[i]));
                assert_int_equal(mf_timeout_ms(500), 500);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(time_outs_are_multiplied),
                cmocka_unit_test(other_factors_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
