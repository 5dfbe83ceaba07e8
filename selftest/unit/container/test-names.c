/* SPDX-License-Identifier: MIT */

/* Which names are host names, and which a container has on its networks. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "container/names.h"
#include "util/error.h"

static char label_63[] = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz-0123456789";

static void host_names_are_those_of_rfc_1123(void **state)
{
        const char *const good[] = { "a",       "db",    "DB-1", "0a", "3com", "a.b.c", "redis.cache.internal",
                                     "1.2.3.a", label_63 };
        const char *const bad[] = { "",    ".",   "a.",  ".a",       "a..b",    "-a", "a-",      "a.-b", "a_b",
                                    "a b", "a\n", "a\t", "\xc3\xa4", "1.2.3.4", "12", "fd6d::1", "a/b",  "a#b" };
        char long_label[] = "xabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz-0123456789", long_name[300] = "";

        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
                if (mf_host_name_fault(good[i]))
                        fail_msg("\"%s\": %s", good[i], mf_host_name_fault(good[i]));
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                if (!mf_host_name_fault(bad[i]))
                        fail_msg("\"%s\" is taken", bad[i]);
        assert_string_equal(mf_host_name_fault(long_label), "a part of it between dots is longer than 63 characters");
        while (strlen(long_name) <= 253)
                strcat(long_name, "abc.");
        strcat(long_name, "a");
        assert_string_equal(mf_host_name_fault(long_name), "it is longer than 253 characters");
}

static void aliases_are_checked(void **state)
{
        const char *list[70] = { NULL };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mf_aliases_check(NULL, NULL), 0);
        for (size_t i = 0; i < MF_ALIASES_MAX; i++)
                list[i] = "same";
        assert_int_equal(mf_aliases_check(list, NULL), 0);
        list[MF_ALIASES_MAX] = "one.more";
        assert_int_equal(mf_aliases_check(list, NULL), -E2BIG);
        list[0] = "LocalHost";
        assert_int_equal(mf_aliases_check(list, &err), -EINVAL);
        assert_string_equal(
                err.message,
                "the alias \"LocalHost\" of the spec is no host name: each container has that name for itself");
}

static void join(const char *machine, const char *hostname, const char *const *aliases, const char *expected)
{
        char *names = mf_names_join(machine, hostname, aliases);

        assert_string_equal(names, expected);
        free(names);
}

static void names_are_machine_spec_and_aliases_once_each(void **state)
{
        const char *const aliases[] = { "primary", "DB", "primary", "prim", NULL };

        (void) state;
        join("0123456789ab", NULL, NULL, "0123456789ab");
        join("db-0123456789ab", NULL, NULL, "db-0123456789ab db");
        join("my-db-0123456789ab", NULL, aliases, "my-db-0123456789ab my-db primary DB prim");
        join("db-0123456789ab", NULL, aliases, "db-0123456789ab db primary prim");
        join("db-0123456789ab", "web.test", aliases, "web.test db-0123456789ab db primary prim");
        join("db-0123456789ab", "db", NULL, "db db-0123456789ab");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(host_names_are_those_of_rfc_1123),
                cmocka_unit_test(aliases_are_checked),
                cmocka_unit_test(names_are_machine_spec_and_aliases_once_each),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
