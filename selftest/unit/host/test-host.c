/* SPDX-License-Identifier: MIT */

/* The table of checks of the host, and how what they find becomes a status and an error. machine/test-doctor has the checks themselves. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host/check.h"
#include "util/error.h"
#include "util/macro.h"

static void find_nothing(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        mf_host_missing(ret, -ENOENT, "%s is missing", "it");
        mf_host_remedy(ret, "install %s", "it");
}

static void test_statuses(void **state)
{
        const struct mf_host root = { .is_root = 1 }, user = { .is_root = 0 },
                             systemd = { .is_root = 1, .wants_systemd = 1 };
        struct mf_host_check check = { "it", MF_HOST_OF_ROOT | MF_HOST_NEEDED, find_nothing };
        struct mf_host_finding finding;

        (void) state;
        assert_int_equal(mf_host_run(&check, &user, &finding), 0);
        assert_int_equal(mf_host_run(&check, &root, &finding), 1);
        assert_int_equal(finding.status, MF_HOST_MISSING);
        assert_int_equal(finding.code, -ENOENT);
        assert_string_equal(finding.message, "it is missing");
        assert_string_equal(finding.remedy, "install it");
        check.flags = MF_HOST_OF_BOTH;
        assert_int_equal(mf_host_run(&check, &user, &finding), 1);
        assert_int_equal(finding.status, MF_HOST_WARNING);
        check.flags = MF_HOST_OF_BOTH | MF_HOST_OF_SYSTEMD;
        assert_int_equal(mf_host_run(&check, &root, &finding), 0);
        assert_int_equal(mf_host_run(&check, &systemd, &finding), 1);
}

static void test_errors(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_host_finding finding;

        (void) state;
        mf_error_set(&err, -EPERM, MAYFLY_STAGE_SPEC, "it is bad; mend it; or go");
        mf_host_take_error(&finding, &err);
        assert_int_equal(finding.status, MF_HOST_MISSING);
        assert_int_equal(finding.code, -EPERM);
        assert_int_equal(finding.stage, MAYFLY_STAGE_SPEC);
        assert_string_equal(finding.message, "it is bad");
        assert_string_equal(finding.remedy, "mend it; or go");
        /* Too long a text is cut, and never overflows. */
        mf_error_clear(&err);
        mf_error_set(&err, -EPERM, MAYFLY_STAGE_HOST, "%02000d; %02000d", 1, 2);
        mf_host_take_error(&finding, &err);
        assert_int_equal(strlen(finding.message), sizeof(finding.message) - 1);
        assert_int_equal(strlen(finding.remedy), sizeof(finding.remedy) - 1);
}

/* What scripts rely on: one check of a name for each kind of user, in letters that need no quoting. */
static void test_table(void **state)
{
        (void) state;
        for (size_t i = 0; i < mf_host_n_checks; i++) {
                const struct mf_host_check *check = &mf_host_checks[i];
                assert_int_equal(strspn(check->name, "abcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(check->name));
                assert_true(check->flags & MF_HOST_OF_BOTH);
                for (size_t j = 0; j < i; j++)
                        assert_false(strcmp(check->name, mf_host_checks[j].name) == 0 &&
                                     (check->flags & mf_host_checks[j].flags & MF_HOST_OF_BOTH));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_statuses), cmocka_unit_test(test_errors),
                                            cmocka_unit_test(test_table) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
