/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/reference.h"
#include "support/cmocka-versions.h"
#include "util/escape.h"

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
                { "aci:file:///tmp/a@b.aci" PIN, "file:///tmp/a@b.aci", MF_SCHEME_FILE },
                { "aci:https://example.com" PIN, "https://example.com", MF_SCHEME_HTTPS },
                { "aci:https://me@example.com" PIN, "https://me@example.com", MF_SCHEME_HTTPS },
                { "aci:https://example.com:65535/a?v=1#x" PIN, "https://example.com:65535/a?v=1#x", MF_SCHEME_HTTPS },
                { "aci:https://[2001:db8::1]:8443/a" PIN, "https://[2001:db8::1]:8443/a", MF_SCHEME_HTTPS },
                { "aci:HTTP://me:pw@LOCALHOST:80/a" PIN, "HTTP://me:pw@LOCALHOST:80/a", MF_SCHEME_HTTP },
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
        char text[256] = "aci:file:///a@SHA512-";

        (void) state;
        for (int i = 0; i < 128; i++)
                strcat(text, "F");
        assert_int_equal(mf_reference_parse(&r, text, 0, NULL), 0);
        assert_int_equal(strspn(r.id + 7, "f"), 128);
        mf_reference_clear(&r);
}

static const struct {
        const char *text, *message;
} refusals[] = {
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
        { "aci:Example.com/a" PIN, "has the name \"Example.com/a\", which is not an AC Identifier" },
        { "aci:https:/example.com/a" PIN, "is none of https://" },
        { "aci:example.com/a@latest", "ends in \"@latest\", which is not a pin" },
        { "aci:example.com/a:1.0", "is not pinned" },
        { "aci:https:///a.aci" PIN, "has no host" },
        { "aci:https://:80/a.aci" PIN, "has no host" },
        { "aci:file://a.aci" PIN, "is not absolute" },
        { "aci:https://example.com/a b" PIN, "blank or control character at byte 25; write it as %20" },
        { "aci:https://example.com/a\nb" PIN, "write it as %0A" },
        { "aci:http://example.com/a.aci" PIN, "plain http to example.com; use https, or allow it" },
        { "aci:http://127.0.0.1.example.com/a" PIN, "plain http to" },
        { "aci:http://127.0.0.1@example.com/a" PIN, "password to example.com in the clear" },
        { "aci:https://example.com/a.aci@md5-0123", "ends in \"@md5-0123\", which is not a pin" },
        { "aci:https://example.com/a.aci@latest", "ends in \"@latest\", which is not a pin" },
        { "aci:https://sha512@example.com", "is not pinned" },
        { "aci:https://example.com" PIN "/a.aci", "is not pinned" },
        { "aci:file:a.aci" PIN, "is not absolute; write file:///path" },
        { "aci:file:///a#b" PIN, "'#' in its path; write it as %23" },
        { "aci:file:///a?b" PIN, "'?' in its path; write it as %3F" },
        { "aci:https://me@/a" PIN, "has no host" },
        { "aci:https://[::1/a" PIN, "neither a host name nor an address" },
        { "aci:https://[zz]/a" PIN, "neither a host name nor an address" },
        { "aci:https://exa\\mple.com/a" PIN, "neither a host name nor an address" },
        { "aci:https://%65xample.com/a" PIN, "neither a host name nor an address" },
        { "aci:https://example.com:/a" PIN, "not a port from 1 to 65535" },
        { "aci:https://example.com:0/a" PIN, "not a port from 1 to 65535" },
        { "aci:https://example.com:65536/a" PIN, "not a port from 1 to 65535" },
        { "aci:https://example.com:80x/a" PIN, "not a port from 1 to 65535" },
        { "aci:https://[::1]80/a" PIN, "not a port from 1 to 65535" },
        { "aci:http://me@evil.example@127.0.0.1/a" PIN, "two @ before its host" },
        { "aci:http://me:pw@example.com/a" PIN, "in the clear; use https" },
        { "aci:http://2130706433/a" PIN, "plain http to 2130706433" },
        { "aci:http://127.1/a" PIN, "plain http to 127.1" },
        { "aci:https://example.com/\x7f" PIN, "write it as %7F" },
        { " aci:https://example.com/a" PIN, "at byte 0" },
        { "aci:", "is not pinned" },
        { "aci:" PIN, "has the name \"\", which is not an AC Identifier" },
        { "aci:http://localhost.evil/a" PIN, "plain http to" },
};

static void refuses(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
                struct mf_reference r = { .url = (char *) (uintptr_t) "untouched" };
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_true(mf_reference_parse(&r, refusals[i].text, 0, &err) < 0);
                assert_int_equal(err.stage, MAYFLY_STAGE_REFERENCE);
                if (!strstr(err.message, refusals[i].message))
                        fail_msg("\"%s\" gives \"%s\"", refusals[i].text, err.message);
                assert_string_equal(r.url, "untouched");
        }
}

/* Messages end up in public logs: on one line, without passwords. */
static void shows_no_secrets(void **state)
{
        static const char *const texts[] = {
                "aci:https://me:s3cret@example.com/a",
                "aci:https://me:s3cret@example.com/a" PIN "0",
                "aci:https://me:s3cret@example.com:x/a" PIN,
                "aci:https://me:s3cret@[zz]/a" PIN,
                "aci:https://me:s3cret@" PIN,
                "aci:https://me:a@s3cret@example.com/a" PIN,
                "aci:http://me:s3cret@example.com/a" PIN,
                "docker://me:s3cret@example.com/a\n\x1b[31m",
                "aci:https://me:s3cret@example.com",
                "aci:https://me:s3cret@sha512-cache.example.com:x/a" PIN,
        };

        (void) state;
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                struct mf_reference r;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                assert_true(mf_reference_parse(&r, texts[i], 0, &err) < 0);
                if (strstr(err.message, "s3cret") || strpbrk(err.message, "\n\x1b") || !strstr(err.message, "me:***@"))
                        fail_msg("\"%s\" gives \"%s\"", texts[i], err.message);
        }
}

/* A text that was taken says the same when it is written down again. */
static void assert_means_something(const struct mf_reference *r)
{
        char again[6000];
        struct mf_reference second;

        assert_true(mf_image_id_is_canonical(r->id));
        assert_true((r->url == NULL) != (r->name == NULL));
        snprintf(again, sizeof(again), "aci:%s@%s", r->url ? r->url : r->name->text, r->id);
        assert_int_equal(mf_reference_parse(&second, again, 1, NULL), 0);
        assert_string_equal(second.id, r->id);
        if (r->url)
                assert_string_equal(second.url, r->url);
        else
                assert_string_equal(second.name->text, r->name->text);
        mf_reference_clear(&second);
}

/* However long and strange: it is taken and means something, or is refused with a message that can be shown. */
static void survives_any_text(void **state)
{
        char text[6000];
        unsigned seed = 1, taken = 0, refused = 0;

        (void) state;
        for (unsigned round = 0; round < 20000; round++) {
                static const char alphabet[] = ",={}@@::///?#[]%.-sha512-\n\xff"
                                               "aci:https://"
                                               "0f";
                static const char tame[] = "abcdef0123456789/";
                const char *letters = round % 2 ? alphabet : tame;
                size_t n = round % 100 == 0 ? 5000 : round % 97, at = round % 3 ? 12 : 4;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_reference r = { .url = text, .id = "untouched" };
                int32_t code;

                memcpy(text, "aci:https://", 12);
                for (size_t i = at; i < n; i++) {
                        seed = seed * 1103515245U + 12345U;
                        text[i] = letters[(seed >> 16) % strlen(letters)];
                }
                strcpy(text + (n < at ? at : n), round % 5 ? PIN : "");
                if (mf_reference_parse(&r, text, 1, &err) == 0) {
                        taken++;
                        assert_means_something(&r);
                        mf_reference_clear(&r);
                        continue;
                }
                refused++;
                assert_int_equal(err.code, -EINVAL);
                assert_ptr_equal(r.url, text);
                assert_string_equal(r.id, "untouched");
                assert_true(*err.message);
                for (const char *p = err.message; *p; p += mf_utf8_next(p, &code)) {
                        mf_utf8_next(p, &code);
                        assert_true(mf_is_printable(code));
                }
        }
        assert_uint_in_range(taken, 1000, 19000);
        assert_uint_in_range(refused, 1000, 19000);
}

static void what_is_for_docker_is_said_to_be(void **state)
{
        static const struct {
                const char *text;
                int docker;
        } cases[] = {
                { "redis:7", 1 },
                { "library/redis", 1 },
                { "docker.io/library/redis:7.2", 1 },
                { "ghcr.io/a/b", 1 },
                { "docker://redis", 1 },
                { "docker:redis", 1 },
                { "oci:redis", 0 },
                { "docker-archive:/tmp/redis.tar", 1 },
                { "example.com/a@sha256:" HEX64, 1 },
                { "aci:docker.io/library/redis:7.2", 1 },
                { "example.com/redis:7", 0 },
                { "localhost/tools/app", 0 },
                { "https://example.com/a", 0 },
                { "http:/x", 0 },
                { "redis", 0 },
                { "", 0 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                char hint[MF_HINT_MAX];
                mf_reference_hint(cases[i].text, hint);
                if ((strstr(hint, "; an OCI image is written oci:") != NULL) != cases[i].docker)
                        fail_msg("\"%s\" gives \"%s\"", cases[i].text, hint);
        }
        struct mf_reference r;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        assert_int_equal(mf_reference_parse(&r, "redis:7", 0, &err), -EINVAL);
        assert_non_null(strstr(err.message, "run `mayfly pin oci:redis:7`"));
}

static void names_in_registries_are_checked(void **state)
{
        static const struct {
                const char *text, *says;
        } bad[] = {
                { "oci:me:secret@h.io/redis", "no user or password belongs into it" },
                { "oci:me:secret@h.io/redis@sha256:" HEX64, "no user or password belongs into it" },
                { "oci:me:secret@h.io/redis@sha256:1", "no user or password belongs into it" },
                { "oci:Redis@sha256:" HEX64, "has the upper-case letter 'R'" },
                { "oci:h.io:x/redis@sha256:" HEX64, "has \"h.io:x\" before its first \"/\"" },
                { "oci:h.io/a//b@sha256:" HEX64, "has \"a//b\", which is not a name" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_reference reference;
                assert_int_equal(mf_reference_parse(&reference, bad[i].text, 0, &err), -EINVAL);
                if (!strstr(err.message, bad[i].says) || strstr(err.message, "secret"))
                        fail_msg("\"%s\" gives \"%s\"", bad[i].text, err.message);
        }
}

static void a_file_of_that_name_is_told_of(void **state)
{
        char directory[] = "/tmp/test-reference-XXXXXX", path[64], want[128], hint[MF_HINT_MAX], before[4096];
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_reference r;
        char *bare;

        (void) state;
        assert_non_null(getcwd(before, sizeof(before)));
        assert_non_null(mkdtemp(directory));
        snprintf(path, sizeof(path), "%s/x@1.aci", directory);
        snprintf(want, sizeof(want), "; there is a file of that name: write aci:file://%s", path);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fclose(f);
        assert_int_equal(mf_reference_parse_unpinned(&r, &bare, path, 0, &err), -EINVAL);
        assert_non_null(strstr(err.message, want));
        assert_int_equal(chdir(directory), 0);
        mf_reference_hint("x@1.aci", hint);
        assert_string_equal(hint, want);
        mf_reference_hint("./x@1.aci", hint);
        assert_string_equal(hint, want);
        mf_reference_hint("x@1.acj", hint);
        assert_string_equal(hint, "");
        assert_int_equal(chdir(before), 0);
        mf_reference_hint(directory, hint); /* a directory is no image */
        assert_string_equal(hint, "");
        unlink(path);
        rmdir(directory);
}

static void takes_names(void **state)
{
        struct mf_reference r;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mf_reference_parse(&r, "aci:example.com/redis:7.2,os=linux,arch=s390x" PIN, 0, &err), 0);
        assert_null(r.url);
        assert_string_equal(r.name->name, "example.com/redis");
        assert_string_equal(r.name->text, "example.com/redis:7.2,os=linux,arch=s390x");
        assert_int_equal(r.name->n_asked, 3);
        assert_string_equal(mf_image_name_label(r.name, "version"), "7.2");
        assert_string_equal(mf_image_name_label(r.name, "arch"), "s390x");
        assert_string_equal(r.id, &PIN[1]);
        mf_reference_clear(&r);
}

static void what_is_to_be_pinned_needs_no_pin(void **state)
{
        static const struct {
                const char *text, *bare, *message;
        } cases[] = {
                { "https://example.com/a.aci", "aci:https://example.com/a.aci", NULL },
                { "aci:https://example.com/a.aci", "aci:https://example.com/a.aci", NULL },
                { "aci:https://example.com/a@b.aci", "aci:https://example.com/a@b.aci", NULL },
                { "https://example.com/a.aci" PIN, "aci:https://example.com/a.aci", NULL },
                { "example.com/a", "aci:example.com/a", NULL },
                { "aci:example.com/a:1,os=linux" PIN, "aci:example.com/a:1,os=linux", NULL },
                { "example.com/a@latest", NULL, "is not a pin" },
                { "https://example.com/a.aci@sha512-12", NULL, "pin of 2 hex digits" },
                { "ftp://example.com/a", NULL, "is none of https://" },
                { "docker:redis/x y", NULL, "blank" },
                { "", NULL, "is empty" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mf_reference r;
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                char *bare = NULL;
                int result = mf_reference_parse_unpinned(&r, &bare, cases[i].text, 0, &err);
                if (!cases[i].message) {
                        assert_int_equal(result, 0);
                        assert_string_equal(bare, cases[i].bare);
                        mf_reference_clear(&r);
                        free(bare);
                } else if (result != -EINVAL || bare || !strstr(err.message, cases[i].message)) {
                        fail_msg("\"%s\" gives %d \"%s\"", cases[i].text, result, err.message);
                }
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
                cmocka_unit_test(shows_no_secrets),
                cmocka_unit_test(survives_any_text),
                cmocka_unit_test(what_is_for_docker_is_said_to_be),
                cmocka_unit_test(names_in_registries_are_checked),
                cmocka_unit_test(a_file_of_that_name_is_told_of),
                cmocka_unit_test(allows_http_when_asked),
                cmocka_unit_test(takes_names),
                cmocka_unit_test(what_is_to_be_pinned_needs_no_pin),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
