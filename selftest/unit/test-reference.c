/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../src/reference.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define PIN "@sha512-" HEX64 HEX64

static void accepts(void **state)
{
        static const struct {
                const char *text, *url;
                enum mf_scheme scheme;
        } good[] = {
                { "aci:https://example.com/a.aci" PIN, "https://example.com/a.aci", MF_SCHEME_HTTPS },
                { "aci:https://user:secret@example.com/a@b.aci" PIN, "https://user:secret@example.com/a@b.aci",
                  MF_SCHEME_HTTPS },
                { "aci:http://127.0.0.1:8080/a" PIN, "http://127.0.0.1:8080/a", MF_SCHEME_HTTP },
                { "aci:http://127.9.9.9/a" PIN, "http://127.9.9.9/a", MF_SCHEME_HTTP },
                { "aci:http://localhost/a" PIN, "http://localhost/a", MF_SCHEME_HTTP },
                { "aci:http://[::1]:80/a" PIN, "http://[::1]:80/a", MF_SCHEME_HTTP },
                { "aci:file:///tmp/a.aci" PIN, "file:///tmp/a.aci", MF_SCHEME_FILE },
                { "aci:FILE://localhost/tmp/a.aci" PIN, "FILE://localhost/tmp/a.aci", MF_SCHEME_FILE },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
                struct mf_reference r;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_int_equal(mf_reference_parse(&r, good[i].text, 0, &err), 0);
                assert_string_equal(r.url, good[i].url);
                assert_int_equal(r.scheme, good[i].scheme);
                assert_string_equal(r.id, &PIN[1]);
                mf_reference_clear(&r);
        }
}

static void lowers_the_pin(void **state)
{
        struct mf_reference r;
        char text[256] = "aci:file:///a@sha512-";

        (void) state;
        for (int i = 0; i < 128; i++)
                strcat(text, "F");
        assert_int_equal(mf_reference_parse(&r, text, 0, NULL), 0);
        assert_int_equal(strspn(r.id + 7, "f"), 128);
        mf_reference_clear(&r);
}

static void refuses(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { NULL, "is empty" },
                { "", "is empty" },
                { "docker:redis" PIN, "does not start with aci:" },
                { "https://example.com/a.aci" PIN, "does not start with aci:" },
                { "aci:https://example.com/a.aci", "is not pinned; append @sha512-" },
                { "aci:https://me@example.com/a.aci", "is not pinned" },
                { "aci:https://example.com/a.aci@sha256-" HEX64, "does not start with sha512-" },
                { "aci:https://example.com/a.aci@sha512-", "pin of 0 hex digits, not 128" },
                { "aci:https://example.com/a.aci@sha512-" HEX64, "pin of 64 hex digits, not 128" },
                { "aci:https://example.com/a.aci" PIN "0", "pin of 129 hex digits, not 128" },
                { "aci:https://example.com/a.aci@sha512-xyz", "'x' in its pin" },
                { "aci:ftp://example.com/a.aci" PIN, "is none of https://" },
                { "aci:example.com/a" PIN, "is none of https://" },
                { "aci:https:///a.aci" PIN, "has no host" },
                { "aci:https://:80/a.aci" PIN, "has no host" },
                { "aci:file://a.aci" PIN, "is not absolute" },
                { "aci:https://example.com/a b" PIN, "blank or control character; write it as %20" },
                { "aci:https://example.com/a\nb" PIN, "write it as %0A" },
                { "aci:http://example.com/a.aci" PIN, "plain http to example.com; use https, or allow it" },
                { "aci:http://127.0.0.1.example.com/a" PIN, "plain http to" },
                { "aci:http://127.0.0.1@example.com/a" PIN, "plain http to example.com" },
                { "aci:http://localhost.evil/a" PIN, "plain http to" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_reference r = { .url = (char *) (uintptr_t) "untouched" };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_true(mf_reference_parse(&r, cases[i].text, 0, &err) < 0);
                assert_int_equal(err.stage, MAYFLY_STAGE_REFERENCE);
                if (!strstr(err.message, cases[i].message))
                        fail_msg("\"%s\" gives \"%s\"", cases[i].text, err.message);
                assert_string_equal(r.url, "untouched");
        }
}

static void allows_http_when_asked(void **state)
{
        struct mf_reference r;

        (void) state;
        assert_int_equal(mf_reference_parse(&r, "aci:http://example.com/a.aci" PIN, 1, NULL), 0);
        assert_int_equal(r.scheme, MF_SCHEME_HTTP);
        mf_reference_clear(&r);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(accepts),
                cmocka_unit_test(lowers_the_pin),
                cmocka_unit_test(refuses),
                cmocka_unit_test(allows_http_when_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
