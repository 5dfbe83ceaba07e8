/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/* What was probably meant by a name that is not known. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/env-names.h"
#include "util/nearest.h"

static void test_edits_are_counted(void **state)
{
        static const struct {
                const char *a, *b;
                unsigned edits;
        } cases[] = {
                { "", "", 0 },
                { "", "abc", 3 },
                { "json", "json", 0 },
                { "jsn", "json", 1 },
                { "jsoon", "json", 1 },
                { "jaon", "json", 1 },
                { "jsno", "json", 1 },
                { "sjon", "json", 1 },
                { "ab", "ba", 1 },
                { "ca", "abc", 3 },
                { "kitten", "sitting", 3 },
                { "abcd", "badc", 2 },
                { "abc", "xyz", 3 },
                { "REQUIRED", "REQUIRE", 1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                assert_int_equal(mf_edits(cases[i].a, cases[i].b), cases[i].edits);
                assert_int_equal(mf_edits(cases[i].b, cases[i].a), cases[i].edits);
        }
}

static void test_long_names_are_near_nothing(void **state)
{
        char longest[MF_NEAREST_MAX + 2], other[MF_NEAREST_MAX + 2];

        (void) state;
        memset(longest, 'a', sizeof(longest));
        memset(other, 'b', sizeof(other));
        longest[MF_NEAREST_MAX] = other[MF_NEAREST_MAX] = '\0';
        assert_int_equal(mf_edits(longest, other), MF_NEAREST_MAX);
        assert_int_equal(mf_edits(longest, longest), 0);
        longest[MF_NEAREST_MAX] = 'a';
        longest[MF_NEAREST_MAX + 1] = '\0';
        assert_int_equal(mf_edits(longest, "a"), UINT_MAX);
        assert_int_equal(mf_edits("", longest), UINT_MAX);
}

static void test_the_nearest_is_found(void **state)
{
        static const char *const names[] = { "build", "pin", "pull", "images", "inspect", NULL };

        (void) state;
        assert_string_equal(mf_nearest("pul", names, 2), "pull");
        assert_string_equal(mf_nearest("pill", names, 2), "pull");
        assert_string_equal(mf_nearest("pn", names, 2), "pin");
        assert_string_equal(mf_nearest("image", names, 2), "images");
        assert_string_equal(mf_nearest("insepct", names, 2), "inspect");
        assert_string_equal(mf_nearest("pin", names, 0), "pin");
        assert_null(mf_nearest("run", names, 1));
        assert_null(mf_nearest("nosuch", names, 2));
        assert_null(mf_nearest("pin", names + 5, 2));
}

/* All that is said of an environment, in `said`. */
static unsigned warn(char *const *environment, char *said, size_t size)
{
        FILE *f = fmemopen(said, size, "w");

        assert_non_null(f);
        unsigned n = mf_env_warn(environment, f);
        assert_int_equal(fclose(f), 0);
        return n;
}

#define SAYS(name, meant) "mayfly: warning: the environment variable " name " has no effect; did you mean " meant "?\n"

static void test_typos_in_the_environment_are_told(void **state)
{
        static char *const environment[] = { "PATH=/bin",
                                             "MAYFLY_REQUIRED=1",
                                             "MAYFLY_ENGIN=direct",
                                             "MAYFLY_REQUIRE=1",
                                             "MAYFLY_STROE=/x",
                                             "MAYFLY_TRUSTED_KEY=/k",
                                             "MAYFLY_TEST_LEAKS=",
                                             "MAYFLY_",
                                             "XMAYFLY_ENGIN=",
                                             "MAYFLY_CAFILE",
                                             "mayfly_engin=1",
                                             "MAYFLY_ENG\033NE=1",
                                             NULL };
        char said[2048];

        (void) state;
        assert_int_equal(warn(environment, said, sizeof(said)), 6);
        assert_string_equal(said, SAYS("MAYFLY_REQUIRED", "MAYFLY_REQUIRE") SAYS("MAYFLY_ENGIN", "MAYFLY_ENGINE")
                                          SAYS("MAYFLY_STROE", "MAYFLY_STORE")
                                                  SAYS("MAYFLY_TRUSTED_KEY", "MAYFLY_TRUSTED_KEYS")
                                                          SAYS("MAYFLY_CAFILE", "MAYFLY_CA_FILE")
                                                                  SAYS("MAYFLY_ENG\\033NE", "MAYFLY_ENGINE"));
}

/* Known names are taken for nothing else, and no two are so near that a typo could be either. */
static void test_known_names_are_no_typos(void **state)
{
        char said[64];

        (void) state;
        for (const char *const *name = mf_env_names; *name; name++) {
                char *variable, *environment[2] = { NULL, NULL };
                assert_true(asprintf(&variable, "%s=x", *name) > 0);
                environment[0] = variable;
                assert_int_equal(warn(environment, said, sizeof(said)), 0);
                free(variable);
                for (const char *const *other = mf_env_names; other != name; other++)
                        assert_true(mf_edits(*name, *other) > 2);
        }
        assert_int_equal(warn(NULL, said, sizeof(said)), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_edits_are_counted),
                cmocka_unit_test(test_long_names_are_near_nothing),
                cmocka_unit_test(test_the_nearest_is_found),
                cmocka_unit_test(test_typos_in_the_environment_are_told),
                cmocka_unit_test(test_known_names_are_no_typos),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
