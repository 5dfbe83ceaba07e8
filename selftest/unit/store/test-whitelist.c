/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/record.h"
#include "store/whitelist.h"

static struct mf_whitelist *list(const char *a, const char *b, const char *c)
{
        char *paths[] = { (char *) (uintptr_t) a, (char *) (uintptr_t) b, (char *) (uintptr_t) c, NULL };
        struct mf_whitelist *ret = NULL;

        assert_int_equal(mf_whitelist_new(&ret, paths), 0);
        return ret;
}

static void appc_rendering_3_paths_are_cleaned(void **state)
{
        static const char *const cases[][2] = {
                { "/a/b", "a/b" },      { "/a/b/", "a/b" },          { "//a//b//", "a/b" }, { "/a/./b/.", "a/b" },
                { "/a/x/../b", "a/b" }, { "/../../a/b", "a/b" },     { "/", "" },           { "/..", "" },
                { "/...", "..." },      { "/a/..b/..", "a" },        { "/a/../..", "" },    { "", "" },
                { "/a b\n", "a b\n" },  { "/x/y/../../a/b", "a/b" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_whitelist *one = list(cases[i][0], NULL, NULL);
                assert_int_equal(one->paths.n, 1);
                assert_string_equal(one->paths.path[0], cases[i][1]);
                mf_whitelist_free(one);
        }
}

static void appc_rendering_3_what_passes(void **state)
{
        static const struct {
                const char *path;
                int file, directory;
        } cases[] = {
                { "", 0, 1 },          { "etc", 0, 1 },      { "etc/ssl", 1, 1 },    { "etc/ssl/x", 0, 0 },
                { "etc/ss", 0, 0 },    { "et", 0, 0 },       { "usr", 0, 1 },        { "usr/bin", 0, 1 },
                { "usr/bin/x", 1, 1 }, { "usr/bin-", 1, 1 }, { "usr/b", 0, 0 },      { "usr/a", 0, 0 },
                { "zz", 0, 0 },        { "a", 0, 0 },        { "usr/bin/xy", 0, 0 }, { "usr-", 0, 0 },
                { "usr/bin.", 0, 0 },
        };

        (void) state;
        struct mf_whitelist *one = list("/usr/bin/x", "/etc/ssl/", "/usr/bin-");
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                if (!mf_whitelist_passes(one, cases[i].path, 0) != !cases[i].file ||
                    !mf_whitelist_passes(one, cases[i].path, 1) != !cases[i].directory)
                        fail_msg("%s", cases[i].path);
        mf_whitelist_free(one);
}

static void equal_lists_are_known(void **state)
{
        (void) state;
        struct mf_whitelist *a = list("/b", "/a", "/b/"), *b = list("//a", "/./b", NULL), *c = list("/a", "/b", "/c");
        assert_int_equal(a->paths.n, 2);
        assert_int_equal(mf_whitelist_compare(a, b), 0);
        assert_true(mf_whitelist_compare(a, c) < 0 && mf_whitelist_compare(c, a) > 0);
        mf_whitelist_free(a);
        mf_whitelist_free(b);
        mf_whitelist_free(c);
}

static void names_are_unescaped(void **state)
{
        char name[] = "a b\\\n\x01\xff\\134", escaped[64], back[64];

        (void) state;
        mf_record_escape(escaped, name);
        mf_record_unescape(back, escaped);
        assert_string_equal(back, name);
        mf_record_unescape(back, "cut\\13");
        assert_string_equal(back, "cut\\13");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(appc_rendering_3_paths_are_cleaned),
                cmocka_unit_test(appc_rendering_3_what_passes),
                cmocka_unit_test(equal_lists_are_known),
                cmocka_unit_test(names_are_unescaped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
