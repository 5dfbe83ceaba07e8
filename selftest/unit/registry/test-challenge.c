/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "registry/challenge.h"

static const struct {
        const char *headers[3];
        enum mf_challenge_scheme scheme;
        const char *realm, *service, *scope;
} challenges[] = {
        { { "Bearer "
            "realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:library/"
            "redis:pull\"" },
          MF_CHALLENGE_BEARER,
          "https://auth.docker.io/token",
          "registry.docker.io",
          "repository:library/redis:pull" },
        { { "bearer REALM=\"http://h/t\" , Service = \"reg,istry\",\t scope=\"repository:a:pull,push\"" },
          MF_CHALLENGE_BEARER,
          "http://h/t",
          "reg,istry",
          "repository:a:pull,push" },
        { { "Bearer realm=https://h/t,service=s" }, MF_CHALLENGE_BEARER, "https://h/t", "s", NULL },
        { { "Bearer realm=\"a\\\"b\\\\c\"" }, MF_CHALLENGE_BEARER, "a\"b\\c", NULL, NULL },
        { { "Basic realm=\"Registry Realm\"" }, MF_CHALLENGE_BASIC, "Registry Realm", NULL, NULL },
        { { "Basic" }, MF_CHALLENGE_BASIC, NULL, NULL, NULL },
        /* The best counts, wherever it is. */
        { { "Basic realm=\"b\", Bearer realm=\"t\",service=\"s\"" }, MF_CHALLENGE_BEARER, "t", "s", NULL },
        { { "Bearer realm=\"t\",service=\"s\", Basic realm=\"b\"" }, MF_CHALLENGE_BEARER, "t", "s", NULL },
        { { "Basic realm=\"b\"", "Bearer realm=\"t\"" }, MF_CHALLENGE_BEARER, "t", NULL, NULL },
        { { "Bearer realm=\"t\"", "Basic realm=\"b\"" }, MF_CHALLENGE_BEARER, "t", NULL, NULL },
        { { "Negotiate, Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        { { "Negotiate YWJj/+ZGVm==, Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        { { "Negotiate /ab==, Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        { { "Nego`x/y, Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        { { "Negotiate abc, Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        { { "Digest realm=\"d\", nonce=\"n\", qop=\"auth, auth-int\", Basic realm=\"b\"" },
          MF_CHALLENGE_BASIC,
          "b",
          NULL,
          NULL },
        { { "Digest realm=\"Basic realm\"" }, MF_CHALLENGE_OTHER, "Basic realm", NULL, NULL },
        { { "NTLM" }, MF_CHALLENGE_OTHER, NULL, NULL, NULL },
        /* The first of two values, and nobody to ask without a realm. */
        { { "Bearer realm=\"t\",realm=\"u\"" }, MF_CHALLENGE_BEARER, "t", NULL, NULL },
        { { "Bearer service=\"s\"" }, MF_CHALLENGE_OTHER, NULL, "s", NULL },
        { { "Bearer service=\"s\", Basic realm=\"b\"" }, MF_CHALLENGE_BASIC, "b", NULL, NULL },
        /* What is malformed ends the header. */
        { { "Bearer realm=\"t\",service=\"open" }, MF_CHALLENGE_BEARER, "t", NULL, NULL },
        { { "Bearer realm=\"open" }, MF_CHALLENGE_OTHER, NULL, NULL, NULL },
        { { "realm=\"t\"" }, MF_CHALLENGE_NONE, NULL, NULL, NULL },
        { { "" }, MF_CHALLENGE_NONE, NULL, NULL, NULL },
        { { " ,, " }, MF_CHALLENGE_NONE, NULL, NULL, NULL },
        { { "(Basic)" }, MF_CHALLENGE_NONE, NULL, NULL, NULL },
};

static void same(const char *a, const char *b, const char *header)
{
        if ((!a != !b) || (a && strcmp(a, b) != 0))
                fail_msg("\"%s\" gives \"%s\", not \"%s\"", header, a ? a : "(none)", b ? b : "(none)");
}

static void the_best_challenge_counts(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(challenges) / sizeof(challenges[0]); i++) {
                struct mf_challenge challenge = { 0 };
                const char *first = challenges[i].headers[0];
                for (size_t k = 0; challenges[i].headers[k]; k++)
                        assert_int_equal(mf_challenge_add(&challenge, challenges[i].headers[k]), 0);
                if (challenge.scheme != challenges[i].scheme)
                        fail_msg("\"%s\" has the scheme %d", first, (int) challenge.scheme);
                assert_true((challenge.name != NULL) == (challenge.scheme != MF_CHALLENGE_NONE));
                same(challenge.realm, challenges[i].realm, first);
                same(challenge.service, challenges[i].service, first);
                same(challenge.scope, challenges[i].scope, first);
                mf_challenge_clear(&challenge);
                assert_null(challenge.realm);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(the_best_challenge_counts) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
