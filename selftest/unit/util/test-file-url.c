/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
/* The URL of a file's path. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/file-url.h"

static void test_odd_characters_are_encoded(void **state)
{
        char *url = mf_file_url("/a b/%41/\xc3\xa4\xff?#@:x-._~+y.aci");

        (void) state;
        assert_string_equal(url, "file:///a%20b/%2541/%C3%A4%FF%3F%23%40%3Ax-._~+y.aci");
        free(url);
        url = mf_file_url("/");
        assert_string_equal(url, "file:///");
        free(url);
}

static void test_any_path_has_one(void **state)
{
        char *here = get_current_dir_name(), *url;

        (void) state;
        assert_int_equal(chdir("/usr"), 0);
        static const char *const paths[][2] = {
                { "x.aci", "file:///usr/x.aci" },        { "./x.aci", "file:///usr/x.aci" },
                { "../x.aci", "file:///x.aci" },         { "/x.aci", "file:///x.aci" },
                { "/usr/../x.aci", "file:///x.aci" },    { "../usr/./x y.aci", "file:///usr/x%20y.aci" },
                { "/proc/self/cwd/x", "file:///usr/x" }, /* a symbolic link */
        };
        for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
                url = mf_file_url_of(paths[i][0]);
                assert_non_null(url);
                assert_string_equal(url, paths[i][1]);
                free(url);
        }
        errno = 0;
        assert_null(mf_file_url_of("/no/such/x.aci"));
        assert_int_equal(errno, ENOENT);
        assert_int_equal(chdir(here), 0);
        free(here);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_odd_characters_are_encoded),
                cmocka_unit_test(test_any_path_has_one),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
