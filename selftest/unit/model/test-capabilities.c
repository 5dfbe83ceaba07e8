/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "model/capabilities.h"
#include "util/error.h"

/* Names and sets of capabilities. */

static void names_and_bits_belong_together(void **state)
{
        (void) state;
        assert_true(mf_capability_find("CAP_CHOWN") == 1);
        assert_true(mf_capability_find("CAP_CHECKPOINT_RESTORE") == UINT64_C(1) << 40);
        assert_true(mf_capability_find("CHOWN") == 0);
        assert_true(mf_capability_find("cap_chown") == 0);
        for (unsigned i = 0; i <= 40; i++)
                assert_true(mf_capability_find(mf_capability_name(UINT64_C(1) << i)) == UINT64_C(1) << i);
        assert_string_equal(mf_capability_name(UINT64_C(3)), "CAP_CHOWN"); /* the lowest */
}

static void the_default_is_the_specifications(void **state)
{
        (void) state;
        assert_true(mf_capabilities_default == UINT64_C(0xa80425fb));
        assert_true((mf_capabilities_default & mf_capabilities_of_namespace) == 0);
}

static void lists_are_read(void **state)
{
        const char *const good[] = { "CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", NULL };
        const char *const near[] = { "CAP_SYS_ADMIN", "CAP_SYS_ADMIM", NULL };
        const char *const far[] = { "everything", NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        uint64_t set = 7;

        (void) state;
        assert_int_equal(mf_capabilities_parse(near, &set, &err), -EINVAL);
        assert_non_null(strstr(err.message, "\"CAP_SYS_ADMIM\""));
        assert_non_null(strstr(err.message, "did you mean \"CAP_SYS_ADMIN\"?"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mf_capabilities_parse(far, &set, &err), -EINVAL);
        assert_non_null(strstr(err.message, "capabilities(7) lists them"));
        assert_true(set == 7); /* not touched */
        assert_int_equal(mf_capabilities_parse(good, &set, NULL), 0);
        assert_true(set == (UINT64_C(1) << 21 | UINT64_C(1) << 12));
        assert_int_equal(mf_capabilities_parse(NULL, &set, NULL), 0);
        assert_true(set == 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_and_bits_belong_together),
                cmocka_unit_test(the_default_is_the_specifications),
                cmocka_unit_test(lists_are_read),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
