/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fetch/mirrors.h"
#include "support/support.h"

/* Where the user's file is; $XDG_CONFIG_HOME or $HOME leads there. */
static void write_config(const char *directory, const char *text)
{
        char path[600];

        snprintf(path, sizeof(path), "%s/mayfly", directory);
        assert_true(mkdir(path, 0700) == 0 || errno == EEXIST);
        snprintf(path, sizeof(path), "%s/mayfly/mirrors", directory);
        write_file(path, text, strlen(text));
}

static int setup(void **state)
{
        *state = make_directory();
        setenv("XDG_CONFIG_HOME", *state, 1);
        return unsetenv("MAYFLY_MIRRORS");
}

static int teardown(void **state)
{
        remove_directory(*state);
        return 0;
}

static void assert_mirror(const struct mf_mirrors *mirrors, size_t i, const char *prefix, const char *target)
{
        assert_true(i < mirrors->n);
        assert_string_equal(mirrors->list[i].prefix, prefix);
        assert_string_equal(mirrors->list[i].target, target);
        assert_int_equal(mirrors->list[i].is_template, strstr(prefix, "://") == NULL);
}

static void a_file_has_a_pair_a_line(void **state)
{
        struct mf_mirrors mirrors = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        write_config(*state, "# ours\n\n"
                             "https://example.com/  file:///srv/images/ # the share\n"
                             "\texample.com/tools\thttps://m.example/{name}#{ext}\r\n"
                             "http://other.example/a/ https://me:pw@m.example:8443/b/");
        if (mf_mirrors_load(NULL, &mirrors, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(mirrors.n >= 3); /* this host's own follow */
        assert_mirror(&mirrors, 0, "https://example.com/", "file:///srv/images/");
        assert_mirror(&mirrors, 1, "example.com/tools", "https://m.example/{name}#{ext}");
        assert_mirror(&mirrors, 2, "http://other.example/a/", "https://me:pw@m.example:8443/b/");
        mf_mirrors_clear(&mirrors);
}

static void home_has_a_config_too(void **state)
{
        struct mf_mirrors mirrors = { 0 };
        char *old = getenv("HOME") ? strdup(getenv("HOME")) : NULL, path[300];

        unsetenv("XDG_CONFIG_HOME");
        setenv("HOME", *state, 1);
        snprintf(path, sizeof(path), "%s/.config", (char *) *state);
        assert_int_equal(mkdir(path, 0700), 0);
        write_config(path, "https://example.com/ https://m.example/\n");
        int r = mf_mirrors_load(NULL, &mirrors, NULL);
        if (old)
                setenv("HOME", old, 1);
        free(old);
        assert_int_equal(r, 0);
        assert_mirror(&mirrors, 0, "https://example.com/", "https://m.example/");
        mf_mirrors_clear(&mirrors);
}

static void the_environment_replaces_the_files_and_the_option_both(void **state)
{
        struct mf_mirrors mirrors = { 0 };

        write_config(*state, "https://example.com/ https://from-file.example/\n");
        setenv("MAYFLY_MIRRORS", "https://a.example/ https://b.example/\n  c.example https://d.example/{name}", 1);
        assert_int_equal(mf_mirrors_load(NULL, &mirrors, NULL), 0);
        assert_int_equal(mirrors.n, 2);
        assert_mirror(&mirrors, 0, "https://a.example/", "https://b.example/");
        assert_mirror(&mirrors, 1, "c.example", "https://d.example/{name}");
        mf_mirrors_clear(&mirrors);
        assert_int_equal(mf_mirrors_load("https://o.example/ https://p.example/", &mirrors, NULL), 0);
        assert_int_equal(mirrors.n, 1);
        mf_mirrors_clear(&mirrors);
        assert_int_equal(mf_mirrors_load("", &mirrors, NULL), 0);
        assert_int_equal(mirrors.n, 0);
        setenv("MAYFLY_MIRRORS", "", 1);
        assert_int_equal(mf_mirrors_load(NULL, &mirrors, NULL), 0);
        assert_int_equal(mirrors.n, 0);
        unsetenv("MAYFLY_MIRRORS");
}

static void what_is_wrong_is_named(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "https://example.com/", "\"https://example.com/ \" lacks its second word" },
                { "https://example.com/ m.example/", "second word that is not an https://" },
                { "https://example.com/ ftp://m.example/", "second word that is not an https://" },
                { "https://example.com/ https://", "has no host" },
                { "https://example.com https://m.example/", "do not both end in /" },
                { "https://example.com/ https://m.example", "do not both end in /" },
                { "https://example.com/?a/ https://m.example/", "do not both end in /" },
                { "ftp://example.com/ https://m.example/", "first word that is not an https:// or http:// URL" },
                { "file:///srv/ https://m.example/", "first word that is not an https:// or http:// URL" },
                { "example.com https://m.example/a.aci", "without {name} for a name" },
                { "example.com:8080 https://m.example/{name}", "neither a URL nor the beginning of an image's name" },
                { "https://example.com/ http://me:s3cret@m.example/", "user and password to m.example in the clear" },
                { "https://me:s3cret@/ https://m.example/", "me:***@" },
        };

        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_mirrors mirrors = { 0 };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(mf_mirrors_load(cases[i].text, &mirrors, &err), -EINVAL);
                assert_int_equal(err.stage, MAYFLY_STAGE_SPEC);
                if (!strstr(err.message, cases[i].message) || !strstr(err.message, "the option mirrors: the mirror") ||
                    strstr(err.message, "s3cret"))
                        fail_msg("\"%s\" gives \"%s\"", cases[i].text, err.message);
                assert_int_equal(mirrors.n, 0);
        }
        struct mf_mirrors mirrors = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        write_config(*state, "\nhttps://example.com/ https://m.example/ https://n.example/\n");
        assert_int_equal(mf_mirrors_load(NULL, &mirrors, &err), -EINVAL);
        assert_non_null(strstr(err.message, "/mayfly/mirrors, line 2: "));
        assert_non_null(strstr(err.message, "is followed by a third word"));
}

static void a_file_that_is_none_is_named(void **state)
{
        struct mf_mirrors mirrors = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char path[300];

        snprintf(path, sizeof(path), "%s/mayfly", (char *) *state);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/mayfly/mirrors", (char *) *state);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(mf_mirrors_load(NULL, &mirrors, &err), -EINVAL);
        assert_non_null(strstr(err.message, "/mayfly/mirrors is not a regular file of at most 1 MiB"));
}

int main(void)
{
#define mirrors_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
        const struct CMUnitTest tests[] = {
                mirrors_test(a_file_has_a_pair_a_line),
                mirrors_test(home_has_a_config_too),
                mirrors_test(the_environment_replaces_the_files_and_the_option_both),
                mirrors_test(what_is_wrong_is_named),
                mirrors_test(a_file_that_is_none_is_named),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
