/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "registry/documents.h"

/* --- files with credentials -------------------------------------------------------------------------------------- */

/* "me:secret", "team:t", "redis:r", "hub:h" */
#define ME "{\"auth\":\"bWU6c2VjcmV0\"}"
#define TEAM "{\"auth\":\"dGVhbTp0\"}"
#define REDIS "{\"auth\":\"cmVkaXM6cg==\"}"
#define HUB "{\"auth\":\"aHViOmg=\"}"

static const struct {
        const char *file, *registry, *repository;
        const char *user, *password, *helper, *server;
        int is_named;
} files[] = {
        { "{}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5\":" ME "}}", "h:5", "a", "me", "secret", NULL, NULL, 1 },
        { "{\"auths\":{\"h\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5\":" ME "}}", "h", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"https://h:5\":" ME "}}", "h:5", "a", "me", "secret", NULL, NULL, 1 },
        { "{\"auths\":{\"https://h:5/v1/\":" ME "}}", "h:5", "a", "me", "secret", NULL, NULL, 1 },
        { "{\"auths\":{\"http://h:5/v2/\":" ME "}}", "h:5", "a", "me", "secret", NULL, NULL, 1 },
        { "{\"auths\":{\"h:5.evil.example\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"evil.example/h:5\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5/other\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5/v2\":" ME "}}", "h:5", "a", "me", "secret", NULL, NULL, 1 },
        /* A namespace is not the registry. */
        { "{\"auths\":{\"h:5/v2fly\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5/v2/team\":" ME "}}", "h:5", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"auths\":{\"h:5/v2fly\":" ME "}}", "h:5", "v2fly/x", "me", "secret", NULL, NULL, 1 },
        /* The key that says most. */
        { "{\"auths\":{\"h\":" ME ",\"h/team\":" TEAM ",\"h/team/redis\":" REDIS "}}", "h", "team/redis", "redis", "r",
          NULL, NULL, 1 },
        { "{\"auths\":{\"h\":" ME ",\"h/team\":" TEAM ",\"h/team/redis\":" REDIS "}}", "h", "team/x", "team", "t", NULL,
          NULL, 1 },
        { "{\"auths\":{\"h\":" ME ",\"h/team\":" TEAM ",\"h/team/redis\":" REDIS "}}", "h", "teams", "me", "secret",
          NULL, NULL, 1 },
        { "{\"auths\":{\"h\":" ME ",\"h/team\":" TEAM ",\"h/team/redis\":" REDIS "}}", "h", "team/redis/x", "redis",
          "r", NULL, NULL, 1 },
        /* docker.io has several names. */
        { "{\"auths\":{\"https://index.docker.io/v1/\":" HUB "}}", "docker.io", "library/redis", "hub", "h", NULL, NULL,
          1 },
        { "{\"auths\":{\"docker.io\":" HUB "}}", "docker.io", "library/redis", "hub", "h", NULL, NULL, 1 },
        { "{\"auths\":{\"registry-1.docker.io\":" HUB "}}", "docker.io", "library/redis", "hub", "h", NULL, NULL, 1 },
        { "{\"auths\":{\"index.docker.io\":" HUB "}}", "example.com", "library/redis", NULL, NULL, NULL, NULL, 0 },
        /* Other forms. */
        { "{\"auths\":{\"h\":{\"username\":\"u\",\"password\":\"p:q\"}}}", "h", "a", "u", "p:q", NULL, NULL, 1 },
        { "{\"auths\":{\"h\":{\"auth\":\"dTpwOnE=\"}}}", "h", "a", "u", "p:q", NULL, NULL, 1 },
        { "{\"auths\":{\"h\":{\"auth\":\"dTpwAAA=\"}}}", "h", "a", "u", "p", NULL, NULL, 1 }, /* NULs at its end */
        { "{\"auths\":{\"h\":{}}}", "h", "a", NULL, NULL, NULL, NULL, 1 },
        { "{\"auths\":{\"h\":{\"auth\":\"\"}}}", "h", "a", NULL, NULL, NULL, NULL, 1 },
        { "{\"auths\":[],\"credHelpers\":7}", "h", "a", NULL, NULL, NULL, NULL, 0 },
        /* Programs. */
        { "{\"credHelpers\":{\"h\":\"x\"},\"auths\":{\"h\":" ME "}}", "h", "a", NULL, NULL, "x", "h", 1 },
        { "{\"credHelpers\":{\"h\":\"x\"}}", "other", "a", NULL, NULL, NULL, NULL, 0 },
        { "{\"credsStore\":\"all\"}", "h", "a", NULL, NULL, "all", "h", 0 },
        { "{\"credsStore\":\"all\",\"auths\":{\"h\":{}}}", "h", "a", NULL, NULL, "all", "h", 1 },
        { "{\"credsStore\":\"all\",\"auths\":{\"h\":" ME "}}", "h", "a", "me", "secret", NULL, NULL, 1 },
        { "{\"credsStore\":\"all\"}", "docker.io", "a", NULL, NULL, "all", "https://index.docker.io/v1/", 0 },
        { "{\"credHelpers\":{\"docker.io\":\"x\"}}", "docker.io", "a", NULL, NULL, "x", "https://index.docker.io/v1/",
          1 },
};

static void same(const char *a, const char *b, const char *file)
{
        if ((!a != !b) || (a && strcmp(a, b) != 0))
                fail_msg("%s gives \"%s\", not \"%s\"", file, a ? a : "(none)", b ? b : "(none)");
}

static void entries_are_found(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
                struct mf_auth_entry entry = { 0 };
                const char *why, *file = files[i].file;
                assert_int_equal(
                        mf_auth_file_find(&entry, file, strlen(file), files[i].registry, files[i].repository, &why), 0);
                same(entry.credentials.user, files[i].user, file);
                same(entry.credentials.password, files[i].password, file);
                same(entry.helper, files[i].helper, file);
                same(entry.server, files[i].server, file);
                if (entry.is_named != files[i].is_named)
                        fail_msg("%s: is_named is %d", file, entry.is_named);
                mf_auth_entry_clear(&entry);
        }
}

static void tokens_of_files_are_found(void **state)
{
        static const char file[] = "{\"auths\":{\"h\":{\"identitytoken\":\"I\"},\"g\":{\"registrytoken\":\"R\"}}}";
        struct mf_auth_entry entry = { 0 };
        const char *why;

        (void) state;
        assert_int_equal(mf_auth_file_find(&entry, file, strlen(file), "h", "a", &why), 0);
        assert_string_equal(entry.credentials.identity_token, "I");
        mf_auth_entry_clear(&entry);
        assert_int_equal(mf_auth_file_find(&entry, file, strlen(file), "g", "a", &why), 0);
        assert_string_equal(entry.credentials.registry_token, "R");
        mf_auth_entry_clear(&entry);
}

static const struct {
        const char *file, *why;
} bad_files[] = {
        { "", "is not a JSON object" },
        { "{\"auths\":", "is not a JSON object" },
        { "[]", "is not a JSON object" },
        { "{\"auths\":{\"h\":{\"auth\":\"*secret*\"}}}", "not USER:PASSWORD in base64" },
        { "{\"auths\":{\"h\":{\"auth\":\"c2VjcmV0\"}}}", "not USER:PASSWORD in base64" },     /* no colon */
        { "{\"auths\":{\"h\":{\"auth\":\"dTpzAGVjcmV0\"}}}", "not USER:PASSWORD in base64" }, /* a NUL inside */
        { "{\"credHelpers\":{\"h\":\"../x\"}}", "has a \"/\" in a name in credHelpers" },
        { "{\"credsStore\":\"a/b\"}", "has a \"/\" in the name in credsStore" },
};

static void bad_files_are_refused(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(bad_files) / sizeof(bad_files[0]); i++) {
                struct mf_auth_entry entry = { 0 };
                const char *why, *file = bad_files[i].file;
                assert_int_equal(mf_auth_file_find(&entry, file, strlen(file), "h", "a", &why), -EBADMSG);
                if (!strstr(why, bad_files[i].why))
                        fail_msg("%s: \"%s\"", file, why);
                assert_null(entry.helper);
        }
}

/* --- answers ----------------------------------------------------------------------------------------------------- */

static void programs_are_understood(void **state)
{
        static const char good[] = "{\"ServerURL\":\"h\",\"Username\":\"u\",\"Secret\":\"s\"}\n";
        static const char token[] = "{\"Username\":\"<token>\",\"Secret\":\"s\"}";
        static const char *const bad[] = {
                "",   "credentials not found",        "{\"Username\":\"u\"}", "{\"Secret\":\"s\"}",
                "[]", "{\"Username\":1,\"Secret\":2}"
        };
        struct mf_credentials credentials = { 0 };

        (void) state;
        assert_int_equal(mf_helper_answer_parse(&credentials, good, strlen(good)), 0);
        assert_string_equal(credentials.user, "u");
        assert_string_equal(credentials.password, "s");
        mf_credentials_clear(&credentials);
        assert_int_equal(mf_helper_answer_parse(&credentials, token, strlen(token)), 0);
        assert_string_equal(credentials.identity_token, "s");
        assert_null(credentials.user);
        mf_credentials_clear(&credentials);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(mf_helper_answer_parse(&credentials, bad[i], strlen(bad[i])), -EBADMSG);
        assert_null(credentials.user);
}

static const struct {
        const char *answer, *token;
        uint64_t expires_s;
} tokens[] = {
        { "{\"token\":\"T\"}", "T", 60 },
        { "{\"access_token\":\"A\",\"expires_in\":300}", "A", 300 },
        { "{\"token\":\"T\",\"access_token\":\"A\"}", "T", 60 },
        { "{\"token\":\"\",\"access_token\":\"A\"}", "A", 60 },
        { "{\"token\":\"T\",\"expires_in\":5}", "T", 60 },
        { "{\"token\":\"T\",\"expires_in\":-5}", "T", 60 },
        { "{\"token\":\"T\",\"expires_in\":\"x\"}", "T", 60 },
        { "{\"token\":\"T\",\"expires_in\":99999999999}", "T", 86400 },
};

static const struct {
        const char *answer, *why;
} bad_tokens[] = {
        { "", "is not a JSON object" },
        { "sorry", "is not a JSON object" },
        { "[]", "is not a JSON object" },
        { "{}", "has neither \"token\" nor \"access_token\"" },
        { "{\"token\":7}", "has neither \"token\" nor \"access_token\"" },
        { "{\"token\":\"a\\r\\nX: y\"}", "has a token with blanks" },
        { "{\"token\":\"a b\"}", "has a token with blanks" },
        { "{\"token\":\"\xc3\xa9\"}", "has a token with blanks" },
};

static void tokens_are_taken(void **state)
{
        struct mf_token token = { 0 };
        const char *why;

        (void) state;
        for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
                assert_int_equal(mf_token_parse(&token, tokens[i].answer, strlen(tokens[i].answer), &why), 0);
                assert_string_equal(token.text, tokens[i].token);
                assert_int_equal(token.expires_s, tokens[i].expires_s);
                mf_secret_free(token.text);
        }
        for (size_t i = 0; i < sizeof(bad_tokens) / sizeof(bad_tokens[0]); i++) {
                assert_int_equal(mf_token_parse(&token, bad_tokens[i].answer, strlen(bad_tokens[i].answer), &why),
                                 -EBADMSG);
                if (!strstr(why, bad_tokens[i].why))
                        fail_msg("%s: \"%s\"", bad_tokens[i].answer, why);
        }
}

static const struct {
        const char *page, *shown;
} pages[] = {
        { "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\",\"detail\":{}}]}",
          "MANIFEST_UNKNOWN: manifest unknown" },
        { "{\"errors\":[{\"code\":\"DENIED\"}]}", "DENIED" },
        { "{\"errors\":[{\"message\":\"no\"},{\"message\":\"never\"}]}", "no" },
        { "{\"details\":\"incorrect username or password\"}", "incorrect username or password" },
        { "{\"error\":\"invalid_grant\",\"error_description\":\"expired\"}", "expired" },
        { "{\"message\":\"a\\u001bb\"}", "a\\033b" },
        { "{\"errors\":[]}", "" },
        { "<html>", "" },
        { "", "" },
};

static void pages_are_shown(void **state)
{
        char shown[MF_PAGE_SHOWN_MAX], page[2000];
        static const struct mf_credentials none = { 0 };

        (void) state;
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
                mf_error_page_show(shown, pages[i].page, strlen(pages[i].page), &none, NULL);
                assert_string_equal(shown, pages[i].shown);
        }
        memset(page, 'x', sizeof(page));
        memcpy(page, "{\"message\":\"", 12);
        memcpy(page + sizeof(page) - 2, "\"}", 2);
        mf_error_page_show(shown, page, sizeof(page), &none, NULL);
        assert_int_equal(strlen(shown), 200);
}

#define FILL_50 "01234567890123456789012345678901234567890123456789"
#define FILL_195 FILL_50 FILL_50 FILL_50 "012345678901234567890123456789012345678901234"

static void pages_with_secrets_are_not_shown(void **state)
{
        static char password[] = "pass\"word/1", user[] = "me", identity[] = "identity-0123456789";
        static const struct mf_credentials credentials = { .user = user,
                                                           .password = password,
                                                           .identity_token = identity };
        /* base64 of "me:pass"word/1" is bWU6cGFzcyJ3b3JkLzE= */
        static const char *const bad[] = {
                "{\"message\":\"no pass\\\"word/1\"}",
                "{\"message\":\"no pass\\u0022word\\/1\"}",
                "{\"message\":\"no me:pass\\\"word/1\"}",
                "{\"message\":\"Basic bWU6cGFzcyJ3b3JkLzE=\"}",
                "{\"message\":\"Basic bWU6cGFzcyJ3b3JkLzE\"}",
                "{\"message\":\"bWU6cGFzcyJ3\"}",
                "{\"message\":\"" FILL_195 "identity-0123456789\"}",
                "{\"message\":\"ends in identity\"}",
                "{\"errors\":[{\"code\":\"identity-0123456789\"}]}",
                "{\"message\":\"fine\",\"more\":\"identity-0123456789\"}",
                "{\"message\":\"" FILL_195 "bearer.0123456789.bearer\"}",
                "{\"message\":\"bearer.0123456789.bearer\"}",
        };
        char shown[MF_PAGE_SHOWN_MAX];

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                mf_error_page_show(shown, bad[i], strlen(bad[i]), &credentials, "Bearer bearer.0123456789.bearer");
                if (shown[0])
                        fail_msg("%s shows \"%s\"", bad[i], shown);
        }
        static const char good[] = "{\"message\":\"me has no word or identit\"}";
        mf_error_page_show(shown, good, strlen(good), &credentials, "Bearer bearer.0123456789.bearer");
        assert_string_equal(shown, "me has no word or identit");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(entries_are_found),
                cmocka_unit_test(tokens_of_files_are_found),
                cmocka_unit_test(bad_files_are_refused),
                cmocka_unit_test(programs_are_understood),
                cmocka_unit_test(tokens_are_taken),
                cmocka_unit_test(pages_are_shown),
                cmocka_unit_test(pages_with_secrets_are_not_shown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
