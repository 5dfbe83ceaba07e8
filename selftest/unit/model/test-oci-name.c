/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/oci-name.h"

static const struct {
        const char *text, *registry, *repository, *tag;
} good[] = {
        { "redis", "docker.io", "library/redis", NULL },
        { "redis:7.2", "docker.io", "library/redis", "7.2" },
        { "docker.io/redis", "docker.io", "library/redis", NULL },
        { "index.docker.io/redis:a", "docker.io", "library/redis", "a" },
        { "bitnami/redis:7.2", "docker.io", "bitnami/redis", "7.2" },
        { "docker.io/bitnami/redis", "docker.io", "bitnami/redis", NULL },
        { "localhost/redis", "localhost", "redis", NULL },
        { "localhost:5000/redis:7", "localhost:5000", "redis", "7" },
        { "127.0.0.1:5000/a/b/c:_X.y-z", "127.0.0.1:5000", "a/b/c", "_X.y-z" },
        { "[::1]:5000/redis", "[::1]:5000", "redis", NULL },
        { "[::1]/redis", "[::1]", "redis", NULL },
        { "registry.example.com/team/redis", "registry.example.com", "team/redis", NULL },
        { "Example.com/x", "Example.com", "x", NULL },
        { "HOST/x", "HOST", "x", NULL },
        { "host/x", "docker.io", "host/x", NULL },
        { "h.io/a.b_c__d---e/0", "h.io", "a.b_c__d---e/0", NULL },
};

static void names_are_split(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_name name = { 0 };
                if (mf_oci_name_parse(&name, good[i].text, &err) < 0)
                        fail_msg("\"%s\": %s", good[i].text, err.message);
                assert_string_equal(name.registry, good[i].registry);
                assert_string_equal(name.repository, good[i].repository);
                if (good[i].tag)
                        assert_string_equal(name.tag, good[i].tag);
                else
                        assert_null(name.tag);
                mf_oci_name_clear(&name);
        }
}

static const struct {
        const char *text, *message;
} bad[] = {
        { "", "has \"\", which is not a name" },
        { ":7", "has \"\", which is not a name" },
        { "/redis", "has \"/redis\", which is not a name" },
        { "redis/", "has \"redis/\", which is not a name" },
        { "a//b", "has \"a//b\", which is not a name" },
        { "h.io/", "has \"\", which is not a name" },
        { "h.io/../b", "has \"../b\", which is not a name" },
        { "h.io/a/../b", "has \"a/../b\", which is not a name" },
        { "h.io/a..b", "which is not a name" },
        { "h.io/a___b", "which is not a name" },
        { "h.io/-a", "which is not a name" },
        { "h.io/a?b", "which is not a name" },
        { "h.io/a%2fb", "which is not a name" },
        { "h.io/r\xc3\xa9"
          "dis",
          "which is not a name" },
        { "Redis", "upper-case letter 'R'" },
        { "h.io/teamA/redis", "upper-case letter 'A'" },
        { "me@h.io/redis", "no user or password belongs into it" },
        { "me:secret@h.io/redis", "no user or password belongs into it" },
        { "-h.io/redis", "\"-h.io\" before its first \"/\"" },
        { "h.io:/redis", "\"h.io:\" before its first \"/\"" },
        { "h.io:0/redis", "\"h.io:0\" before its first \"/\"" },
        { "h.io:65536/redis", "\"h.io:65536\" before its first \"/\"" },
        { "h.io:5x/redis", "\"h.io:5x\" before its first \"/\"" },
        { "[::1/redis", "\"[::1\" before its first \"/\"" },
        { "[]:5/redis", "\"[]:5\" before its first \"/\"" },
        { "https://h.io/redis", "\"https:\" before its first \"/\"" },
        { "redis:", "has the tag \"\"" },
        { "redis:.a", "has the tag \".a\"" },
        { "redis:a/b", "\"redis:a\" before its first \"/\"" },
        { "redis:a:b", "has the tag \"a:b\"" },
};

static void other_names_are_refused(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_oci_name name = { 0 };
                assert_int_equal(mf_oci_name_parse(&name, bad[i].text, &err), -EINVAL);
                assert_null(name.registry);
                assert_int_equal(err.stage, MAYFLY_STAGE_REFERENCE);
                if (!strstr(err.message, bad[i].message) || !strstr(err.message, "write REGISTRY/NAME[:TAG]") ||
                    strstr(err.message, "secret"))
                        fail_msg("\"%s\" gives \"%s\"", bad[i].text, err.message);
        }
}

/* Parses `start` with this many letters behind it. */
static int parse_long(const char *start, size_t letters)
{
        struct mf_oci_name name = { 0 };
        char text[600] = "";
        size_t n = strlen(start);

        memcpy(text, start, n);
        memset(text + n, 'a', letters);
        int r = mf_oci_name_parse(&name, text, NULL);
        mf_oci_name_clear(&name);
        return r;
}

static void lengths_are_bounded(void **state)
{
        (void) state;
        assert_int_equal(parse_long("h.io/a:", 128), 0);
        assert_int_equal(parse_long("h.io/a:", 129), -EINVAL);
        assert_int_equal(parse_long("h.io/", 255), 0);
        assert_int_equal(parse_long("h.io/", 256), -EINVAL);
}

static void only_docker_io_has_another_host(void **state)
{
        (void) state;
        assert_string_equal(mf_oci_api_host("docker.io"), "registry-1.docker.io");
        assert_string_equal(mf_oci_api_host("127.0.0.1:5000"), "127.0.0.1:5000");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_are_split),
                cmocka_unit_test(other_names_are_refused),
                cmocka_unit_test(lengths_are_bounded),
                cmocka_unit_test(only_docker_io_has_another_host),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
