/* SPDX-License-Identifier: MIT */

/* Registries that want to see tokens or credentials. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/oci-name.h"
#include "registry-client.h"
#include "registry/registry.h"
#include "support/server.h"

/* --- tokens ------------------------------------------------------------------------------------------------------ */

static void tokens_are_asked_for(void **state)
{
        (void) state;
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"TOK\"}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        assert_int_equal(faulty_count(world.registry, MANIFEST_PATH), 2);
        assert_int_equal(faulty_count(world.registry, TOKEN_PATH), 1);
        assert_head(world.registry, TOKEN_PATH, 0, "Authorization", 0);
        ADD(.path = TOKEN_PATH, .body = "{\"access_token\":\"TOK\",\"expires_in\":300}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        /* The scope is the registry's where it says one. */
        char challenge[400];
        snprintf(challenge, sizeof(challenge),
                 "Basic realm=\"b\"\r\nWWW-Authenticate: %s,scope=\"repository:x:pull,push\"", world.challenge);
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = challenge);
        ADD(.path = "/token?service=reg%2Cistry&scope=repository%3Ax%3Apull%2Cpush", .body = "{\"token\":\"TOK\"}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
}

#define THREADS 6

struct crowd {
        struct mf_oci_source *source;
        struct answer answers[THREADS];
        size_t next;
        pthread_mutex_t lock;
};

static int count(void *userdata, const void *data, size_t size)
{
        (void) data;
        *(size_t *) userdata += size;
        return 0;
}

static void *fetch_in_crowd(void *userdata)
{
        struct crowd *crowd = userdata;
        const struct mf_oci_blob blob = { DIGEST, SIZE, NULL, 0 };

        pthread_mutex_lock(&crowd->lock);
        struct answer *answer = &crowd->answers[crowd->next++];
        pthread_mutex_unlock(&crowd->lock);
        const struct mf_oci_sink sink = { count, NULL, &answer->size, NULL };
        answer->err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        answer->result = crowd->source->type->get_blob(crowd->source, &blob, &sink, &answer->err);
        return NULL;
}

static void one_token_is_for_all_threads(void **state)
{
        struct crowd crowd = { .lock = PTHREAD_MUTEX_INITIALIZER };
        struct mf_oci_name name = { 0 };
        pthread_t threads[THREADS];

        (void) state;
        ADD(.path = BLOB_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"TOK\"}");
        assert_int_equal(mf_oci_name_parse(&name, world.name, NULL), 0);
        assert_int_equal(mf_registry_open(&crowd.source, &name, &home.options, NULL), 0);
        mf_oci_name_clear(&name);
        for (size_t i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, fetch_in_crowd, &crowd), 0);
        for (size_t i = 0; i < THREADS; i++)
                pthread_join(threads[i], NULL);
        for (size_t i = 0; i < THREADS; i++) {
                if (crowd.answers[i].result < 0)
                        fail_msg("%s", crowd.answers[i].err.message);
                assert_int_equal(crowd.answers[i].size, SIZE);
        }
        assert_int_equal(faulty_count(world.registry, TOKEN_PATH), 1);
        /* The next question begins with the token, until the registry does not take it any more. */
        ADD(.path = BLOB_PATH, .wants = "Bearer NEW", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"NEW\"}");
        crowd.next = 0;
        crowd.answers[0].size = 0;
        unsigned before = faulty_count(world.registry, BLOB_PATH);
        fetch_in_crowd(&crowd);
        assert_int_equal(crowd.answers[0].result, 0);
        assert_head(world.registry, BLOB_PATH, before, "Authorization: Bearer TOK", 1);
        assert_head(world.registry, BLOB_PATH, before + 1, "Authorization: Bearer NEW", 1);
        assert_int_equal(faulty_count(world.registry, BLOB_PATH), before + 2);
        mf_oci_source_free(crowd.source);
}

static void tokens_that_do_not_help_are_no_loop(void **state)
{
        (void) state;
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge,
            .page = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}");
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"USELESS\"}");
        assert_says(manifest(), -EACCES,
                    "the registry 127.0.0.1:|denies access to team/redis without credentials (401: UNAUTHORIZED: "
                    "authentication "
                    "required)|check the name, or log in with \"podman login 127.0.0.1:|docker login");
        assert_int_equal(faulty_count(world.registry, MANIFEST_PATH), 2);
}

static void bad_token_servers_are_named(void **state)
{
        static const struct {
                const char *challenge;
                int code;
                const char *texts;
        } bad[] = {
                { "Bearer realm=\"file:///etc/passwd\"", -EACCES,
                  "names the token server \"file:///etc/passwd\", which is neither" },
                { "Bearer realm=\"http://192.0.2.1/token\"", -EACCES,
                  "\"http://192.0.2.1/token\", which is neither https nor" },
                { "Bearer realm=\"/token\"", -EACCES, "names the token server \"/token\"" },
                { "Bearer realm=\"gopher://h/\"", -EACCES, "names the token server \"gopher://h/\"" },
                { "Negotiate", -EACCES,
                  "wants credentials of the kind \"Negotiate\" for team/redis, and mayfly has only Bearer and" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                ADD(.path = MANIFEST_PATH, .wants = "x", .challenge = bad[i].challenge);
                assert_says(manifest(), bad[i].code, bad[i].texts);
        }
        ADD(.path = MANIFEST_PATH, .wants = "x");
        assert_says(manifest(), -EACCES, "denies access to team/redis without credentials (401)");
        ADD(.path = MANIFEST_PATH, .wants = "x", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"a b\"}");
        assert_says(manifest(), -EBADMSG, "the answer of the token server http://127.0.0.1:|has a token with blanks");
        ADD(.path = TOKEN_PATH, .body = "0123456789abcdef", .flags = FAULTY_ENDLESS_BODY, .status = 500);
        assert_says(manifest(), -EIO, "the token server http://127.0.0.1:|answers 500; try again later");
        char *endless = calloc(1, (300 << 10) + 1);
        memset(endless, 'x', 300 << 10);
        ADD(.path = TOKEN_PATH, .body = endless, .flags = FAULTY_CHUNKED);
        assert_says(manifest(), -EFBIG,
                    "the token server http://127.0.0.1:|sends more than 262144 bytes, which is no token");
        ADD(.path = TOKEN_PATH, .status = 503);
        assert_says(manifest(), -EIO,
                    "the token server http://127.0.0.1:|/token of the registry 127.0.0.1:|answers 503; try");
        free(endless);
}

/* --- credentials ------------------------------------------------------------------------------------------------- */

/* Writes credentials for the registry to the home. */
static void log_in(const char *file, const char *entry)
{
        char text[400];

        snprintf(text, sizeof(text), "{\"auths\":{\"127.0.0.1:%d\":%s}}", faulty_port(world.registry), entry);
        write_home(file, text);
}

static void credentials_go_to_the_token_server(void **state)
{
        (void) state;
        log_in("run/containers/auth.json", AUTH);
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"TOK\"}", .wants = BASIC);
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        assert_head(world.registry, MANIFEST_PATH, 0, "Authorization", 0);
        assert_head(world.registry, MANIFEST_PATH, 1, "Authorization: Bearer TOK\r\n", 1);
        assert_head(world.registry, TOKEN_PATH, 0, "Authorization: " BASIC "\r\n", 1);
        log_in("run/containers/auth.json", "{\"auth\":\"bWU6d3Jvbmc=\"}");
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"TOK\"}", .wants = BASIC,
            .page = "{\"details\":\"incorrect username or password\"}");
        assert_says(manifest(), -EACCES,
                    "the token server http://127.0.0.1:|refuses the credentials from |/run/containers/auth.json (401: "
                    "incorrect "
                    "username or password); log in with \"podman login 127.0.0.1:");
        remove_home("run/containers/auth.json");
        assert_says(manifest(), -EACCES, "gives no token without credentials (401: incorrect");
}

static void identity_tokens_are_exchanged(void **state)
{
        (void) state;
        log_in("run/containers/auth.json", "{\"identitytoken\":\"secret+1\"}");
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = "/token", .body = "{\"access_token\":\"TOK\"}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        assert_head(world.registry, "/token", 0, "POST /token", 1);
        assert_head(world.registry, "/token", 0, "Content-Type: application/x-www-form-urlencoded", 1);
        char location[100];
        snprintf(location, sizeof(location), "http://127.0.0.1:%d/token", faulty_port(world.cdn));
        ADD(.path = "/token", .status = 307, .location = location);
        ADD_CDN(.path = "/token", .body = "{\"access_token\":\"TOK\"}");
        assert_says(manifest(), -EACCES, "redirects to another host, http://127.0.0.1:|must not get what was sent");
        assert_int_equal(faulty_count(world.cdn, "/token"), 0);
        log_in("run/containers/auth.json", "{\"registrytoken\":\"TOK\"}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
}

static void passwords_go_to_the_registry_that_wants_them(void **state)
{
        (void) state;
        ADD(.path = MANIFEST_PATH, .wants = BASIC, .challenge = "Basic realm=\"r\"");
        assert_says(manifest(), -EACCES, "denies access to team/redis without credentials (401)");
        log_in("run/containers/auth.json", AUTH);
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        assert_head(world.registry, MANIFEST_PATH, 1, "Authorization", 0);
        assert_head(world.registry, MANIFEST_PATH, 2, "Authorization: " BASIC "\r\n", 1);
        ADD(.path = MANIFEST_PATH, .status = 403, .page = "{\"errors\":[{\"code\":\"DENIED\"}]}");
        assert_says(manifest(), -EACCES,
                    "denies access to team/redis without credentials (403: DENIED); check the name");
}

static void answers_that_repeat_a_secret_are_not_shown(void **state)
{
        (void) state;
        log_in("run/containers/auth.json", AUTH);
        ADD(.path = MANIFEST_PATH, .wants = "x", .challenge = "Basic realm=\"r\"",
            .page = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"bWU6c2VjcmV0 is wrong\"}]}");
        struct answer answer = manifest();
        assert_null(strstr(answer.err.message, "bWU6"));
        assert_says(answer, -EACCES,
                    "denies access to team/redis with the credentials from |auth.json (401); check the name");
        ADD(.path = MANIFEST_PATH, .wants = "x", .challenge = "Basic realm=\"r\"",
            .page = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"secret is wrong\"}]}");
        assert_says(manifest(), -EACCES,
                    "denies access to team/redis with the credentials from |auth.json (401); check the name");
        /* The token server got the password too, and the registry gets tokens that are longer than what is shown. */
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .wants = "x", .page = "{\"details\":\"me:secret is wrong\"}");
        assert_says(manifest(), -EACCES, "refuses the credentials from |/run/containers/auth.json (401); log in");
        char token[301], answer_of_server[400], page[400];
        memset(token, 'k', 300);
        token[300] = '\0';
        snprintf(answer_of_server, sizeof(answer_of_server), "{\"token\":\"%s\"}", token);
        snprintf(page, sizeof(page), "{\"message\":\"bad token %s\"}", token);
        ADD(.path = MANIFEST_PATH, .wants = "Bearer x", .challenge = world.challenge, .page = page);
        ADD(.path = TOKEN_PATH, .body = answer_of_server);
        answer = manifest();
        assert_null(strstr(answer.err.message, "kkkkkkkk"));
        assert_says(answer, -EACCES, "with the credentials from |auth.json (401); check the name");
}

static void the_first_file_that_knows_the_registry_counts(void **state)
{
        static const char *const files[] = { ".docker/config.json", ".config/containers/auth.json",
                                             "run/containers/auth.json" };

        (void) state;
        ADD(.path = MANIFEST_PATH, .wants = BASIC, .challenge = "Basic realm=\"r\"");
        for (size_t i = 0; i < 3; i++) {
                log_in(files[i], AUTH);
                assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
                log_in(files[i], "{\"auth\":\"d3Jvbmc6d3Jvbmc=\"}");
                assert_says(manifest(), -EACCES, files[i]);
        }
        char path[300];
        snprintf(path, sizeof(path), "%s/mine.json", home.directory);
        setenv("REGISTRY_AUTH_FILE", path, 1);
        struct answer answer = manifest();
        unsetenv("REGISTRY_AUTH_FILE");
        assert_says(answer, -ENOENT, "/mine.json\" of REGISTRY_AUTH_FILE cannot be read");
        log_in("mine.json", AUTH);
        setenv("REGISTRY_AUTH_FILE", path, 1);
        answer = manifest();
        unsetenv("REGISTRY_AUTH_FILE");
        assert_answered(answer, MANIFEST, strlen(MANIFEST));
        write_home("run/containers/auth.json", "{\"auths\":secret");
        assert_says(manifest(), -EINVAL,
                    "run/containers/auth.json, which is to have the credentials of registries, is not a JSON");
}

/* Makes a program that keeps credentials. */
static void make_program(const char *name, const char *script)
{
        char path[300], whole[400];

        snprintf(path, sizeof(path), "bin/docker-credential-%s", name);
        write_home(path, script);
        snprintf(whole, sizeof(whole), "%s/%s", home.directory, path);
        assert_int_equal(chmod(whole, 0755), 0);
}

static void programs_are_asked(void **state)
{
        char *old = strdup(getenv("PATH")), path[1000], config[200];

        (void) state;
        snprintf(path, sizeof(path), "%s/bin:%s", home.directory, old);
        setenv("PATH", path, 1);
        ADD(.path = MANIFEST_PATH, .wants = BASIC, .challenge = "Basic realm=\"r\"");
        snprintf(config, sizeof(config), "{\"credHelpers\":{\"127.0.0.1:%d\":\"x\"}}", faulty_port(world.registry));
        write_home(".docker/config.json", config);
        assert_says(manifest(), -ENOENT,
                    "the program docker-credential-x, which has the credentials of 127.0.0.1:|cannot be run: No such "
                    "file|; try: echo ");
        make_program("x", "#!/bin/sh\n[ \"$1\" = get ] && read -r server\n"
                          "case $server in 127.0.0.1:*) echo '{\"Username\":\"me\",\"Secret\":\"secret\"}';; esac\n");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        make_program("x", "#!/bin/sh\necho secret\nexit 3\n");
        assert_says(manifest(), -EIO, "docker-credential-x, which has|exits with status 3; try");
        make_program("x", "#!/bin/sh\necho '{\"Username\":\"secret\"}'\n");
        assert_says(manifest(), -EBADMSG, "does not write a JSON object with \"Username\" and \"Secret\"");
        make_program("x", "#!/bin/sh\nkill -9 $$\n");
        assert_says(manifest(), -EIO, "was ended by signal 9");
        make_program("x", "#!/bin/sh\nexec head -c 70000 /dev/zero\n");
        assert_says(manifest(), -EFBIG, "writes more than");
        make_program("x", "#!/bin/sh\necho credentials not found in native keychain\nexit 1\n");
        assert_says(manifest(), -EACCES, "denies access to team/redis without credentials");
        /* A test program that ignores SIGCHLD leaves no status to look at. */
        signal(SIGCHLD, SIG_IGN);
        struct answer answer = manifest();
        make_program("x", "#!/bin/sh\necho '{\"Username\":\"me\",\"Secret\":\"secret\"}'\n");
        struct answer found = manifest();
        signal(SIGCHLD, SIG_DFL);
        assert_says(answer, -EACCES, "denies access to team/redis without credentials");
        assert_answered(found, MANIFEST, strlen(MANIFEST));
        /* A program for all registries may fail: the image may need no credentials. */
        write_home(".docker/config.json", "{\"credsStore\":\"nowhere\"}");
        assert_says(manifest(), -EACCES,
                    "without credentials|the program docker-credential-nowhere (credsStore in |cannot be run: No");
        ADD(.path = MANIFEST_PATH, .wants = "Bearer TOK", .challenge = world.challenge);
        ADD(.path = TOKEN_PATH, .body = "{\"token\":\"TOK\"}");
        assert_answered(manifest(), MANIFEST, strlen(MANIFEST));
        setenv("PATH", old, 1);
        free(old);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                REGISTRY_TEST(tokens_are_asked_for),
                REGISTRY_TEST(one_token_is_for_all_threads),
                REGISTRY_TEST(tokens_that_do_not_help_are_no_loop),
                REGISTRY_TEST(bad_token_servers_are_named),
                REGISTRY_TEST(credentials_go_to_the_token_server),
                REGISTRY_TEST(identity_tokens_are_exchanged),
                REGISTRY_TEST(passwords_go_to_the_registry_that_wants_them),
                REGISTRY_TEST(answers_that_repeat_a_secret_are_not_shown),
                REGISTRY_TEST(the_first_file_that_knows_the_registry_counts),
                REGISTRY_TEST(programs_are_asked),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
