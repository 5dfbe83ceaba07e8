/* SPDX-License-Identifier: MIT */

/* Making keys trusted: discovered, from URLs and from files; the `mayfly trust` command asks the library. */

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
#include <unistd.h>

#include "keys.h"
#include "named.h"

#define KEYS_TAG(prefix, url) "<meta name=\"ac-discovery-pubkeys\" content=\"" prefix " " url "\">"

static char *trusted;
static struct mayfly_trust_options options;
static char told[4000]; /* of each key: "fingerprint|user|prefix|from|expired,revoked|problem\n" */
static int answer;

static int tell(const struct mayfly_key *key, void *userdata)
{
        size_t n = strlen(told);

        (void) userdata;
        snprintf(told + n, sizeof(told) - n, "%s|%s|%s|%s|%d,%d|%s\n", key->fingerprint, key->user_id,
                 key->prefix ? key->prefix : "-", key->from, key->expired != 0, key->revoked != 0,
                 key->problem ? key->problem : "");
        return answer;
}

static int keys_setup(void **state)
{
        setup(state);
        trusted = make_directory();
        world.options.trusted_keys = trusted;
        options = (struct mayfly_trust_options) MAYFLY_TRUST_OPTIONS_INIT;
        options.image = &world.options;
        options.prefix = NAME;
        options.key = tell;
        answer = 1;
        told[0] = '\0';
        return 0;
}

static int keys_teardown(void **state)
{
        assert_int_equal(count_entries(world.directory, "tmp"), 0);
        remove_directory(trusted);
        return teardown(state);
}

static void adds(int n)
{
        world.err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        told[0] = '\0';
        int r = mayfly_trust_add(&options, &world.err);
        if (r != n)
                fail_msg("%d \"%s\", not %d", r, world.err.message, n);
}

static void adds_none(int code, const char *message)
{
        adds(code);
        if (!strstr(world.err.message, message))
                fail_msg("\"%s\", not \"%s\"", world.err.message, message);
}

static void lists(const char *expected)
{
        struct mayfly_trust_options all = MAYFLY_TRUST_OPTIONS_INIT;

        all.image = &world.options;
        all.key = tell;
        all.fingerprint = options.fingerprint;
        told[0] = '\0';
        answer = 0;
        if (mayfly_trust_list(&all, &world.err) < 0)
                fail_msg("%s", world.err.message);
        answer = 1;
        assert_string_equal(told, expected);
}

static void serve_key(const char *path, const char *who)
{
        char *text = keys_export(who);

        serve(path, text, strlen(text));
        free(text);
}

/* "$FINGERPRINT|who <who@example.com>|PREFIX|FROM|STATE|\n" */
static const char *line(const char *who, const char *prefix, const char *from, const char *state)
{
        static char text[1000];

        snprintf(text, sizeof(text), "%s|%s <%s@example.com>|%s|%s|%s|\n", keys_fingerprint(who), who, who, prefix,
                 from, state);
        return text;
}

static void appc_discovery_4_images_and_keys_walk_independently(void **state)
{
        char url[200];

        (void) state;
        /* The nearest page knows images only, its parent keys only. */
        serve_page(PAGE, TAG("localhost", "$a.aci"));
        serve_page("/tools?ac-discovery=1", KEYS_TAG("localhost", "$keys"));
        serve_page("/?ac-discovery=1", TAG("localhost", "$wrong.aci") KEYS_TAG("localhost", "$wrong-keys"));
        serve_good_image("/a.aci");
        serve_key("/keys", "alice");
        adds(1);
        snprintf(url, sizeof(url), "%skeys", world.base);
        assert_string_equal(told, line("alice", NAME, url, "0,0"));
        assert_int_equal(asked(PAGE), 1);
        assert_int_equal(asked("/tools?ac-discovery=1"), 1);
        assert_int_equal(asked("/?ac-discovery=1"), 0);
        finds(APP);
        assert_int_equal(asked(PAGE), 2);
        assert_int_equal(asked("/tools?ac-discovery=1"), 1);
        /* The other way round: keys near, images far. */
        serve_page("/other/app?ac-discovery=1", KEYS_TAG("localhost/other", "$keys"));
        serve_page("/?ac-discovery=1", TAG("localhost", "$b.aci"));
        serve_image("/b.aci", "localhost/other/app,version=1.0," PLATFORM);
        finds("localhost/other/app:1.0," PLATFORM);
        options.prefix = "localhost/other/app";
        adds(1);
        assert_int_equal(asked("/other/app?ac-discovery=1"), 2);
}

static void appc_discovery_2_tags_of_keys_are_those_of_the_prefix(void **state)
{
        (void) state;
        adds_none(-ECONNREFUSED, "no keys for " NAME);
        assert_non_null(strstr(world.err.message, PAGE " answers 404"));
        serve_page(PAGE, KEYS_TAG("localhost/x", "$keys") TAG("localhost", "$keys"));
        adds_none(-ECONNREFUSED, PAGE " has no ac-discovery-pubkeys tag for " NAME);
        serve_page(PAGE, KEYS_TAG("localhost/t", "file:///etc/passwd"));
        adds_none(-ECONNREFUSED, "it leads to a file of this host");
        /* several: all of them; one that is not there does not keep the others away; "{" is nothing special */
        serve_page(PAGE,
                   KEYS_TAG("localhost/t", "$gone") KEYS_TAG("localhost", "$a{name}") KEYS_TAG("localhost", "$b"));
        serve_key("/a%7Bname%7D", "alice");
        serve_key("/a{name}", "alice");
        serve_key("/b", "bob");
        adds(2);
        assert_int_equal(count_entries(trusted, "prefix.d/localhost,tools,app"), 2);
        serve_page(PAGE, KEYS_TAG("localhost", "$gone"));
        adds_none(-ENOENT, "/gone answers 404");
}

static void only_what_was_agreed_to_is_trusted(void **state)
{
        char *both = NULL, *alice = keys_export("alice"), *bob = keys_export("bob"), url[200];

        (void) state;
        assert_true(asprintf(&both, "%s%s", alice, bob) > 0);
        serve("/keys", both, strlen(both));
        snprintf(url, sizeof(url), "%skeys", world.base);
        options.source = url;
        answer = 0;
        adds(0);
        assert_int_equal(count_entries(trusted, "."), 0);
        assert_non_null(strstr(told, keys_fingerprint("alice")));
        assert_non_null(strstr(told, keys_fingerprint("bob")));
        answer = -1;
        adds_none(-ECANCELED, "cancelled");
        assert_int_equal(count_entries(trusted, "."), 0);
        options.key = NULL;
        adds_none(-EINVAL, "nothing confirms the key");
        options.fingerprint = keys_fingerprint("carol");
        adds_none(-ENOENT, "is not among the 2 keys of");
        assert_int_equal(count_entries(trusted, "."), 0);
        options.fingerprint = "DEADBEEF";
        adds_none(-EINVAL, "\"DEADBEEF\" is not a fingerprint");
        options.fingerprint = keys_fingerprint("bob");
        adds(1);
        options.key = tell;
        options.fingerprint = NULL;
        assert_int_equal(count_entries(trusted, "prefix.d/localhost,tools,app"), 1);
        free(both);
        free(alice);
        free(bob);
}

static void a_key_that_was_trusted_so_is_what_images_need(void **state)
{
        char url[200], keys[200];

        (void) state;
        serve_good_image("/a.aci");
        serve_key("/keys", "alice");
        char *sig = keys_sign("alice", "", NULL, world.image->data, world.image->size);
        serve("/a.aci.asc", sig, strlen(sig));
        free(sig);
        snprintf(url, sizeof(url), "%sa.aci", world.base);
        snprintf(keys, sizeof(keys), "%skeys", world.base);
        world.options.signatures = MAYFLY_SIGNATURES_REQUIRED;
        assert_int_equal(open_name(url), -ENOKEY);
        options.source = keys;
        options.prefix = "localhost/tools";
        adds(1);
        finds(url);
}

static void keys_come_from_files_in_armour_or_binary(void **state)
{
        char path[600], file[600], expected[1000];

        (void) state;
        snprintf(path, sizeof(path), "%s/key", trusted);
        assert_int_equal(keys_gpg("--export alice@example.com > %s", path), 0);
        options.source = path;
        options.prefix = NULL;
        options.root = 1;
        adds(1);
        assert_string_equal(told, line("alice", "-", path, "0,0"));
        /* gpg reads what was written, and it is all armour */
        snprintf(file, sizeof(file), "%s/root.d/%s", trusted, keys_fingerprint("alice"));
        for (char *p = strrchr(file, '/'); *p; p++)
                *p = (char) (*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
        assert_int_equal(keys_gpg("--show-keys %s > /dev/null", file), 0);
        snprintf(expected, sizeof(expected), "file://%s", path);
        options.source = expected;
        adds(1);
        options.source = "/nowhere/key";
        adds_none(-ENOENT, "the file of keys \"/nowhere/key\" cannot be read");
        static const char *const bad[][2] = { { "", "is empty" },
                                              { "<html>", "is a web page" },
                                              { "\x94\x01x", "has a secret key" },
                                              { "\x98\x04kkkk", "GnuPG" } };
        options.source = path;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                write_file(path, bad[i][0], strlen(bad[i][0]));
                adds_none(i == 3 ? world.err.code : -EBADMSG, bad[i][1]);
        }
        assert_int_equal(count_entries(trusted, "root.d"), 1);
        FILE *f = fopen(path, "we");
        assert_true(f && fseek(f, 2000000, SEEK_SET) == 0 && fputc('x', f) == 'x' && fclose(f) == 0);
        adds_none(-EBADMSG, "has more than 1048576 bytes");
        assert_int_equal(chmod(trusted, 0777), 0);
        adds_none(-EPERM, "can be written by others");
        assert_int_equal(chmod(trusted, 0700), 0);
}

static void trusted_keys_are_listed_and_removed(void **state)
{
        char expected[4000] = "", from[600], lower[65];
        static const char *const who[] = { "old", "gone" };

        (void) state;
        lists("");
        keys_trust(trusted, "localhost", "old");
        keys_trust(trusted, "localhost/tools", "gone");
        for (int i = 0; i < 2; i++) {
                snprintf(lower, sizeof(lower), "%s", keys_fingerprint(who[i]));
                for (char *p = lower; *p; p++)
                        *p = (char) (*p >= 'A' && *p <= 'F' ? *p + 32 : *p);
                snprintf(from, sizeof(from), "%s/prefix.d/localhost%s/%s", trusted, i ? ",tools" : "", lower);
                strncat(expected, line(who[i], i ? "localhost/tools" : "localhost", from, i ? "0,1" : "1,0"),
                        sizeof(expected) - strlen(expected) - 1);
        }
        lists(expected);
        /* a file that is not what its name says */
        snprintf(from, sizeof(from), "%s/prefix.d/localhost/%s", trusted, keys_fingerprint("alice"));
        char *bob = keys_export("bob");
        write_file(from, bob, strlen(bob));
        options.fingerprint = keys_fingerprint("alice");
        snprintf(expected, sizeof(expected), "%s||localhost|%s|0,0|the key in it has another fingerprint\n",
                 keys_fingerprint("alice"), from);
        lists(expected);
        write_file(from, bob, strlen(bob) / 2);
        snprintf(expected, sizeof(expected),
                 "%s||localhost|%s|0,0|the file is damaged: its ASCII armour is cut off or changed\n",
                 keys_fingerprint("alice"), from);
        lists(expected);
        free(bob);
        options.prefix = "localhost/tools"; /* not there */
        assert_int_equal(mayfly_trust_remove(&options, NULL), -ENOENT);
        options.prefix = "localhost";
        assert_int_equal(mayfly_trust_remove(&options, NULL), 0);
        lists("");
        options.prefix = NULL; /* wherever it is */
        options.fingerprint = keys_fingerprint("gone");
        assert_int_equal(mayfly_trust_remove(&options, NULL), 0);
        assert_int_equal(mayfly_trust_remove(&options, &world.err), -ENOENT);
        assert_non_null(strstr(world.err.message, "is not trusted"));
        options.fingerprint = NULL;
        assert_int_equal(mayfly_trust_remove(&options, NULL), -EINVAL);
}

static void misuse_is_told(void **state)
{
        (void) state;
        options.root = 1;
        adds_none(-EINVAL, "both a prefix and root are given");
        options.root = 0;
        options.prefix = NULL;
        adds_none(-EINVAL, "neither a prefix nor root is given");
        options.root = 1;
        adds_none(-EINVAL, "the keys for root cannot be discovered");
        options.root = 0;
        options.prefix = "localhost/../x";
        adds_none(-EINVAL, "\"localhost/../x\" is not an AC Identifier");
        options.size = 3;
        adds_none(-EINVAL, "start with MAYFLY_TRUST_OPTIONS_INIT");
}

#define keys_test(f) cmocka_unit_test_setup_teardown(f, keys_setup, keys_teardown)

static int group_setup(void **state)
{
        (void) state;
        keys_start();
        return 0;
}

static int group_teardown(void **state)
{
        (void) state;
        keys_stop();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                keys_test(appc_discovery_4_images_and_keys_walk_independently),
                keys_test(appc_discovery_2_tags_of_keys_are_those_of_the_prefix),
                keys_test(only_what_was_agreed_to_is_trusted),
                keys_test(a_key_that_was_trusted_so_is_what_images_need),
                keys_test(keys_come_from_files_in_armour_or_binary),
                keys_test(trusted_keys_are_listed_and_removed),
                keys_test(misuse_is_told),
        };

        return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
