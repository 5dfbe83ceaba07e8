/* SPDX-License-Identifier: MIT */

/* Resource quantities, by the rules of Kubernetes ("Quantity" in its API reference), to which appc refers. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "model/quantity.h"

static const struct {
        const char *text;
        int decimals;
        uint64_t value;
} quantities[] = {
        { "0", 0, 0 },
        { "1", 0, 1 },
        { "+1", 0, 1 },
        { "-0", 0, 0 },
        { "500m", 3, 500 },
        { "500m", 0, 1 }, /* rounded up: who asks for some gets some */
        { "0.5", 3, 500 },
        { ".5", 3, 500 },
        { "1.", 3, 1000 },
        { "0.0001", 3, 1 },
        { "1n", 3, 1 },
        { "1u", 6, 1 },
        { "1n", 9, 1 },
        { "1001m", 0, 2 },
        { "2000m", 0, 2 },
        { "1k", 0, 1000 },
        { "1M", 0, 1000000 },
        { "1G", 0, 1000000000 },
        { "1T", 0, UINT64_C(1000000000000) },
        { "1P", 0, UINT64_C(1000000000000000) },
        { "1E", 0, UINT64_C(1000000000000000000) },
        { "1Ki", 0, 1024 },
        { "1.5Gi", 0, UINT64_C(1610612736) },
        { "123Mi", 0, 128974848 },
        { "125952Ki", 0, 128974848 },
        { "128974848", 0, 128974848 },
        { "1Ti", 0, UINT64_C(1) << 40 },
        { "1Pi", 0, UINT64_C(1) << 50 },
        { "1Ei", 0, UINT64_C(1) << 60 },
        { "0.1Ki", 0, 103 },
        { "1e3", 0, 1000 },
        { "1E3", 0, 1000 },
        { "1e+3", 0, 1000 },
        { "12e6", 0, 12000000 },
        { "1e-3", 0, 1 },
        { "1e-3", 3, 1 },
        { "1500e-3", 0, 2 },
        { "1e0", 0, 1 },
        { "1e400", 0, INT64_MAX },
        { "1e99999999999999999999", 0, INT64_MAX },
        { "0e99999999999999999999", 0, 0 },
        { "1e-99999999999999999999", 0, 1 },
        { "9223372036854775807", 0, INT64_MAX },
        { "9223372036854775808", 0, INT64_MAX },
        { "99999999999999999999999999999999999999999", 0, INT64_MAX },
        { "100000E", 0, INT64_MAX },
        { "8Ei", 0, INT64_MAX },
        { "00000000000000000000000000000000001", 0, 1 },
        { "1.00000000000000000000000000000000001", 0, 2 },
        { "1.00000000000000000000000000000000000", 0, 1 },
        { "0.00000000000000000000000000000000001e35", 0, 1 },
};

static void quantities_are_read(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(quantities) / sizeof(quantities[0]); i++) {
                uint64_t value = 12345;
                int r = mf_quantity_parse(quantities[i].text, quantities[i].decimals, &value);
                if (r != 0 || value != quantities[i].value)
                        fail_msg("%s, %d decimals: %d, %llu, not %llu", quantities[i].text, quantities[i].decimals, r,
                                 (unsigned long long) value, (unsigned long long) quantities[i].value);
        }
}

static void what_is_no_quantity_is_refused(void **state)
{
        static const char *const none[] = {
                "",      " ",    "m",   "Ki",  ".",    "+",   "-",     "e3",  "1e",  "1e+", "1K",   "1ki",  "1KI",
                "1mi",   "1 k",  " 1",  "1 ",  "1Ki2", "1kk", "1.2.3", "--1", "+-1", "1,5", "0x10", "1e3k", "1ee3",
                "1e3.5", "1e 3", "NaN", "inf", "1d",   "1B",  "1GB",   "1\n", "½",   "1Zi", "1Y",
        };
        static const char *const negative[] = {
                "-1", "-0.5", "-1m", "-1Ki", "-1e3", "-.00000000000000000000000000001"
        };
        uint64_t value = 12345;

        (void) state;
        for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
                if (mf_quantity_parse(none[i], 0, &value) != -EINVAL)
                        fail_msg("\"%s\" is taken for a quantity", none[i]);
        for (size_t i = 0; i < sizeof(negative) / sizeof(negative[0]); i++)
                if (mf_quantity_parse(negative[i], 0, &value) != -ERANGE)
                        fail_msg("\"%s\" is not below zero", negative[i]);
        assert_int_equal(value, 12345);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(quantities_are_read),
                cmocka_unit_test(what_is_no_quantity_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
