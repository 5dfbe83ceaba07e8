/* SPDX-License-Identifier: MIT */

/* Signatures of images, by keys that gpg makes; gpg itself is the oracle. */

#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "signed.h"
#include "support/cmocka-versions.h"
static void appc_signatures_a_good_one_is_accepted(void **state)
{
        (void) state;
        keys_trust(trusted, "localhost", "alice");
        char *sig = sign_by("alice");
        assert_true(gpg_says("alice", NULL, sig));
        finds(url);
        assert_int_equal(asked(ASC), 1);
        assert_int_equal(asked(IMAGE), 1);
        finds(url); /* the store knows */
        assert_int_equal(asked(ASC), 1);
        assert_int_equal(asked(IMAGE), 1);
        struct mayfly_verify_options options = MAYFLY_VERIFY_OPTIONS_INIT;
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        options.store = world.directory;
        assert_int_equal(mayfly_store_verify(&result, &options, NULL), 0);
        assert_int_equal(result.images, 1);
        assert_int_equal(result.damaged, 0);
        free(sig);
}

static void appc_signatures_are_over_the_bytes_as_served(void **state)
{
        size_t size, large = 3000000;
        char *noise = malloc(large);
        struct tar tar = { 0 };

        (void) state;
        keys_trust(trusted, "example.com", "alice");
        tar_add_basics(&tar);
        assert_non_null(noise);
        for (size_t i = 0, x = 1; i < large; i++)
                noise[i] = (char) ((x = x * 1103515245U + 12345U) >> 16);
        tar_add(&tar, "rootfs/noise", '0', 0644, NULL, noise, large);
        tar_end(&tar);
        image_id(tar.data, tar.size, world.id);
        char *packed = compress_with("gzip", tar.data, tar.size, &size);
        world.image = serve(IMAGE, packed, size);
        char *sig = keys_sign("alice", "", NULL, tar.data, tar.size); /* of the tar */
        serve_signature(sig);
        refuses(-EBADMSG,
                "/a.aci is not the file that was signed with the signature %sa.aci.asc by the key %s (alice "
                "<alice@example.com>)",
                world.base, keys_fingerprint("alice"));
        free(sig);
        free(sign_by("alice"));
        finds(url);
        free(packed);
        free(noise);
        tar_free(&tar);
}

static void appc_signatures_a_subkey_signs_for_its_key(void **state)
{
        (void) state;
        keys_trust(trusted, "localhost", "sub");
        char *sig = sign_by("sub");
        assert_true(gpg_says("sub", NULL, sig));
        finds(url);
        free(sig);
}

static void appc_signatures_one_good_one_of_several_is_enough(void **state)
{
        char both[4000];

        (void) state;
        keys_trust(trusted, "localhost", "alice");
        char *alice = sign_by("alice"), *bob = sign_by("bob");
        snprintf(both, sizeof(both), "%s%s", bob, alice);
        serve(ASC, both, strlen(both));
        finds(url);
        free(alice);
        free(bob);
}

static void appc_signatures_keys_are_trusted_for_a_prefix(void **state)
{
        static const struct {
                const char *prefix;
                int fine;
        } cases[] = { { "localhost", 1 },  { "localhost/tools", 1 }, { "localhost/tools/app", 1 },
                      { NULL, 1 },         { "localhost/tool", 0 },  { "localhost/tools/app/x", 0 },
                      { "example.com", 0 } };

        (void) state;
        free(sign_by("alice"));
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_gc_options gc = MAYFLY_GC_OPTIONS_INIT;
                char path[600];
                keys_trust(trusted, cases[i].prefix, "alice");
                if (cases[i].fine)
                        finds(url);
                else
                        refuses(-EKEYREJECTED,
                                "/a.aci (" NAME
                                ") is signed by the key %s (alice <alice@example.com>), which is trusted "
                                "for other names only (%s); to trust it for this name, too: mayfly trust "
                                "--prefix " NAME,
                                keys_fingerprint("alice"), cases[i].prefix);
                gc.store = world.directory;
                gc.all = 1;
                assert_int_equal(mayfly_store_gc(NULL, &gc, NULL), 0);
                snprintf(path, sizeof(path), "rm -rf %s/*", trusted);
                assert_int_equal(system(path), 0); // NOLINT(cert-env33-c)
        }
}

static void appc_signatures_an_unknown_key_is_named(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "bob");
        char *sig = sign_by("alice");
        assert_false(gpg_says("bob", NULL, sig));
        refuses(-ENOKEY,
                "/a.aci is signed by the key %s, which is not trusted; to trust it: mayfly trust "
                "--prefix " NAME,
                keys_fingerprint("alice"));
        free(sig);
}

static void appc_signatures_a_tampered_archive_is_refused(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        char *sig = sign_by("alice");
        serve_image(IMAGE, NAME ",version=1.0,colour=red," PLATFORM); /* another, and pinned as such */
        assert_false(gpg_says("alice", NULL, sig));
        refuses(-EBADMSG, "/a.aci is not the file that was signed with the signature %sa.aci.asc by the key %s (alice ",
                world.base, keys_fingerprint("alice"));
        free(sig);
}

static void appc_signatures_expired_ones_are_refused(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        keys_trust(trusted, NULL, "old");
        char *sig = keys_sign("alice", "--faked-system-time 20200101T000000 --default-sig-expire 1d", NULL,
                              world.image->data, world.image->size);
        serve_signature(sig);
        assert_false(gpg_says("alice", NULL, sig));
        refuses(-EKEYEXPIRED,
                "/a.aci has a signature, by the key %s (alice <alice@example.com>), that expired on 2020-01-02",
                keys_fingerprint("alice"));
        free(sig);
        sig = keys_sign("old", "--faked-system-time 20190601T000000", NULL, world.image->data, world.image->size);
        serve_signature(sig);
        assert_false(gpg_says("old", NULL, sig));
        refuses(-EKEYEXPIRED,
                "/a.aci is signed by the key %s (old <old@example.com>), which expired on 2020-01-01; if its owner has "
                "prolonged it, get it again: mayfly trust --prefix " NAME,
                keys_fingerprint("old"));
        free(sig);
}

static void appc_signatures_a_revoked_key_is_refused(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "gone");
        char *sig = sign_by("gone");
        assert_false(gpg_says("gone", NULL, sig));
        refuses(-EKEYREVOKED, "/a.aci is signed by the key %s (gone <gone@example.com>), which its owner has revoked",
                keys_fingerprint("gone"));
        keys_trust(trusted, "localhost", "gone!"); /* an older version of it, written later */
        assert_true(gpg_says("gone!", NULL, sig));
        refuses(-EKEYREVOKED, "which its owner has revoked");
        free(sig);
}

static void appc_signatures_a_missing_one_is_told(void **state)
{
        char file[600];

        (void) state;
        refuses(-ENODATA, "/a.aci has no signature (%sa.aci.asc answers 404", world.base);
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .status = 403 });
        refuses(-ENODATA, "/a.aci has no signature (%sa.aci.asc answers 403", world.base);
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .status = 503 });
        refuses(-EIO, "the signature of %sa.aci cannot be fetched: %sa.aci.asc answers 503", world.base, world.base);
        snprintf(file, sizeof(file), "%s/a.aci", trusted);
        write_file(file, world.image->data, world.image->size);
        snprintf(url, sizeof(url), "file://%s", file);
        refuses(-ENODATA, "has no signature (file://");
        world.options.signatures = MAYFLY_SIGNATURES_IF_PRESENT;
        finds(url);
}

static void appc_signatures_malformed_ones_are_told_apart(void **state)
{
        static char huge[70000];
        char *key = keys_export("alice");
        char *message = keys_sign("alice", "", "--sign", world.image->data, world.image->size);
        char *clear = keys_sign("alice", "", "--clear-sign", "hello\n", 6);
        char *detached = keys_sign("alice", "", NULL, world.image->data, world.image->size);
        char disguised[8000], cut[1000];

        (void) state;
        keys_trust(trusted, NULL, "alice");
        memset(huge, '\n', sizeof(huge));
        snprintf(cut, sizeof(cut), "%.*s", (int) strlen(detached) / 2, detached);
        /* a whole signed message of other bytes, in the armour of a detached signature */
        char *begin = strchr(message, '\n'), *end = strstr(message, "-----END");
        assert_true(begin && end && (size_t) (end - begin) < 7000);
        snprintf(disguised, sizeof(disguised), "-----BEGIN PGP SIGNATURE-----%.*s-----END PGP SIGNATURE-----\n",
                 (int) (end - begin), begin);
        const struct {
                const char *text, *message;
        } cases[] = { { "", "is empty" },
                      { "<!DOCTYPE html><p>not found",
                        "is a web page; a detached signature in ASCII armour is wanted" },
                      { key, "is a public key" },
                      { message, "is a signed or encrypted message, not a detached signature" },
                      { clear, "is a signed message, not a detached signature" },
                      { disguised, "is a signed message, not a detached signature" },
                      { cut, "is damaged: its ASCII armour is cut off or changed" } };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                serve(ASC, cases[i].text, strlen(cases[i].text));
                refuses(-EBADMSG, "the signature %sa.aci.asc %s", world.base, cases[i].message);
        }
        serve(ASC, huge, sizeof(huge));
        refuses(-EBADMSG, "the signature %sa.aci.asc has more than 65536 bytes", world.base);
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .status = 200, .flags = FAULTY_ENDLESS_BODY });
        refuses(-EBADMSG, "the signature %sa.aci.asc has more than 65536 bytes", world.base);
        /* of the right packets, and yet no signature */
        static const char odd[] = "-----BEGIN PGP SIGNATURE-----\n\niAUEAAAAAA==\n-----END PGP SIGNATURE-----\n";
        serve(ASC, odd, strlen(odd));
        refuses(-EBADMSG,
                "a.aci.asc, by the key 0000000000000000, that GnuPG does not accept: Invalid digest algorithm");
        free(key);
        free(message);
        free(clear);
        free(detached);
}

static void a_bad_key_file_does_not_hide_the_others(void **state)
{
        char path[600];

        (void) state;
        keys_trust(trusted, NULL, "bob");
        snprintf(path, sizeof(path), "%s/root.d/%s", trusted, keys_fingerprint("bob"));
        keys_trust(trusted, NULL, "bob");
        snprintf(path, sizeof(path), "%s/root.d/0000000000000000000000000000000000000000", trusted);
        write_file(path, "<html>", 6);
        free(sign_by("alice"));
        refuses(-ENOKEY,
                "which is not trusted; to trust it: mayfly trust --prefix " NAME "; the trusted key %s is a web page",
                path);
        keys_trust(trusted, NULL, "alice");
        finds(url);
        /* a key in another's file is not trusted for being there */
        char *carol = keys_export("carol");
        write_file(path, carol, strlen(carol));
        free(carol);
        serve_image(IMAGE, NAME ",version=2.0," PLATFORM);
        free(sign_by("carol"));
        assert_int_equal(open_name(url), -EKEYREJECTED);
}

static void keys_of_others_hands_are_refused_before_anything_is_fetched(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        assert_int_equal(chmod(trusted, 0777), 0);
        refuses(-EPERM, "trusted keys: %s can be written by others (mode 0777)", trusted);
        assert_int_equal(asked(IMAGE), 0);
        assert_int_equal(chmod(trusted, 0700), 0);
}

/* --- where signatures are ---------------------------------------------------------------------------------------- */

static void appc_signatures_are_where_the_image_is(void **state)
{
        char query[200];

        (void) state;
        keys_trust(trusted, NULL, "alice");
        /* a query stays at the end */
        faulty_add(world.server,
                   &(struct faulty_path){ .path = "/q.aci?v=1", .body = world.image->data, .size = world.image->size });
        char *sig = keys_sign("alice", "", NULL, world.image->data, world.image->size);
        serve("/q.aci.asc?v=1", sig, strlen(sig));
        snprintf(query, sizeof(query), "%sq.aci?v=1", world.base);
        finds(query);
        /* simple discovery; templates with and without {ext}; mirrors */
        static const char *const versions[] = { "2.0", "3.0", "4.0", "5.0" };
        static const char *const places[] = { "/tools/app-2.0-linux-amd64.aci", "/x/3.0/aci.bin", "/y/4.0",
                                              "/m/t/5.0.aci" };
        static const char *const signatures[] = { "/tools/app-2.0-linux-amd64.aci.asc", "/x/3.0/aci.asc.bin",
                                                  "/y/4.0.asc", "/m/t/5.0.aci.asc" };
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ %s https://else.where/ %sm/", world.base,
                 world.base);
        serve_page(PAGE, TAG("localhost", "$x/{version}/{ext}.bin") TAG("localhost", "$y/{version}")
                                 TAG("localhost", "https://else.where/t/{version}.{ext}"));
        for (size_t i = 0; i < 4; i++) {
                char what[200];
                snprintf(what, sizeof(what), NAME ",version=%s," PLATFORM, versions[i]);
                serve_image(places[i], what);
                free(sig);
                sig = keys_sign("alice", "", NULL, world.image->data, world.image->size);
                serve(signatures[i], sig, strlen(sig));
                snprintf(what, sizeof(what), NAME ":%s," PLATFORM, versions[i]);
                finds(what);
                assert_int_equal(asked(signatures[i]), 1);
        }
        free(sig);
}

static void a_mirror_with_a_bad_signature_is_passed_over(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        snprintf(world.mirrors, sizeof(world.mirrors), "https://localhost/ %sbad/ https://localhost/ %s", world.base,
                 world.base);
        serve("/bad/a.aci", world.image->data, world.image->size);
        char *sig = keys_sign("alice", "", NULL, "else", 4);
        serve("/bad/a.aci.asc", sig, strlen(sig));
        free(sig);
        free(sign_by("alice"));
        finds("https://localhost/a.aci");
        assert_int_equal(asked("/bad/a.aci.asc"), 1);
}

/* --- policy ------------------------------------------------------------------------------------------------------ */

static void appc_signatures_a_pinned_image_needs_none_by_default(void **state)
{
        (void) state;
        world.options.signatures = MAYFLY_SIGNATURES_DEFAULT;
        free(sign_by("alice"));
        finds(url);
        assert_int_equal(asked(ASC), 0);
}

static void appc_signatures_if_present_they_must_be_good(void **state)
{
        (void) state;
        world.options.signatures = MAYFLY_SIGNATURES_IF_PRESENT;
        keys_trust(trusted, NULL, "alice");
        free(sign_by("bob"));
        refuses(-ENOKEY, "which is not trusted");
        serve(ASC, "<html>", 6);
        refuses(-EBADMSG, "is a web page");
        faulty_add(world.server, &(struct faulty_path){ .path = ASC, .status = 404 });
        finds(url);
        assert_int_equal(asked(ASC), 3);
        finds(url); /* and no more of it */
        assert_int_equal(asked(ASC), 3);
}

static void the_policy_is_in_the_environment(void **state)
{
        static const struct {
                const char *text;
                int code;
        } cases[] = {
                { "required", -ENODATA }, { "sometimes", -EINVAL }, { "if-present", 0 }, { "off", 0 }, { "", 0 }
        };

        (void) state;
        world.options.signatures = MAYFLY_SIGNATURES_DEFAULT;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                setenv("MAYFLY_SIGNATURES", cases[i].text, 1);
                assert_int_equal(open_name(url), cases[i].code);
                if (cases[i].code == -EINVAL)
                        assert_non_null(
                                strstr(world.err.message,
                                       "MAYFLY_SIGNATURES is \"sometimes\"; write required, if-present or off"));
        }
        setenv("MAYFLY_SIGNATURES", "required", 1);
        world.options.signatures = MAYFLY_SIGNATURES_OFF; /* an option counts more */
        finds(url);
        world.options.signatures = (enum mayfly_signatures) 7;
        assert_int_equal(open_name(url), -EINVAL);
        unsetenv("MAYFLY_SIGNATURES");
}

/* --- images that are in the store -------------------------------------------------------------------------------- */

static void a_stored_image_is_checked_when_that_is_required(void **state)
{
        (void) state;
        keys_trust(trusted, "localhost", "alice");
        world.options.signatures = MAYFLY_SIGNATURES_OFF;
        finds(url);
        world.options.signatures = MAYFLY_SIGNATURES_REQUIRED;
        int r = open_name(url);
        assert_int_equal(r, -ENODATA);
        assert_non_null(strstr(world.err.message,
                               "cannot be used where signatures are required: no signature of it was "
                               "checked so far; and"));
        assert_non_null(strstr(world.err.message, "answers 404"));
        char *sig = sign_by("alice");
        finds(url);
        assert_int_equal(asked(ASC), 2);
        unsigned images = (unsigned) asked(IMAGE); /* the 404 may come before the image is asked for */
        assert_uint_in_range(images, 2, 3);
        finds(url);
        assert_int_equal(asked(ASC), 2);
        free(sig);
}

static void what_the_store_knows_of_a_signature_can_cease_to_count(void **state)
{
        char path[600];

        (void) state;
        keys_trust(trusted, "localhost", "gone!");
        free(sign_by("gone"));
        finds(url);
        /* it is revoked */
        keys_trust(trusted, "example.com", "gone");
        assert_int_equal(open_name(url), -EKEYREVOKED);
        assert_non_null(strstr(world.err.message, "(gone <gone@example.com>) has changed since; and "));
        assert_non_null(strstr(world.err.message, "which its owner has revoked"));
        /* it is trusted no more */
        snprintf(path, sizeof(path), "rm -rf %s/prefix.d", trusted);
        assert_int_equal(system(path), 0); // NOLINT(cert-env33-c)
        assert_int_equal(open_name(url), -ENOKEY);
        assert_non_null(strstr(world.err.message, "which is not trusted for this name; and "));
        /* another key is */
        keys_trust(trusted, NULL, "alice");
        free(sign_by("alice"));
        finds(url);
        unsigned n = asked(ASC);
        finds(url);
        assert_int_equal(asked(ASC), n);
        /* what is damaged or another image's counts for nothing */
        snprintf(path, sizeof(path), "%s/images/%s/signature", world.directory, world.id);
        FILE *f = fopen(path, "r+e");
        assert_true(f && fseek(f, 200, SEEK_SET) == 0 && fputc('#', f) == '#' && fclose(f) == 0);
        finds(url);
        assert_int_equal(asked(ASC), n + 1);
        finds(url);
        assert_int_equal(asked(ASC), n + 1);
}

static void a_signature_that_expires_in_the_store_counts_no_more(void **state)
{
        (void) state;
        keys_trust(trusted, NULL, "alice");
        char *sig = serve_signature(
                keys_sign("alice", "--default-sig-expire seconds=3", NULL, world.image->data, world.image->size));
        finds(url);
        free(sig);
        sleep(4);
        assert_int_equal(open_name(url), -EKEYEXPIRED);
        assert_non_null(strstr(world.err.message, "has expired since; and "));
}

/* --- pinning ----------------------------------------------------------------------------------------------------- */

static struct mayfly_pin *pins(enum mayfly_signature_state state, const char *fingerprint, const char *user_id)
{
        struct mayfly_pin *pin = NULL;

        world.err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        if (mayfly_image_pin(&pin, url, &world.options, &world.err) < 0)
                fail_msg("%s", world.err.message);
        assert_string_equal(pin->id, world.id);
        assert_int_equal(pin->signature, state);
        assert_true(!pin->fingerprint == !fingerprint && !pin->user_id == !user_id);
        if (fingerprint)
                assert_string_equal(pin->fingerprint, fingerprint);
        if (user_id)
                assert_string_equal(pin->user_id, user_id);
        return mayfly_pin_free(pin);
}

static void a_pin_tells_the_signature(void **state)
{
        struct mayfly_pin *pin = NULL;

        (void) state;
        world.options.signatures = MAYFLY_SIGNATURES_DEFAULT;
        pins(MAYFLY_SIGNATURE_MISSING, NULL, NULL);
        assert_int_equal(count_entries(world.directory, "."), 0); /* the store is not touched without need */
        free(sign_by("alice"));
        pins(MAYFLY_SIGNATURE_UNTRUSTED, keys_fingerprint("alice"), NULL);
        keys_trust(trusted, "example.com", "alice");
        pins(MAYFLY_SIGNATURE_UNTRUSTED, keys_fingerprint("alice"), "alice <alice@example.com>");
        keys_trust(trusted, "localhost", "alice");
        pins(MAYFLY_SIGNATURE_GOOD, keys_fingerprint("alice"), "alice <alice@example.com>");
        world.options.signatures = MAYFLY_SIGNATURES_OFF;
        pins(MAYFLY_SIGNATURE_NOT_ASKED, NULL, NULL);
        world.options.signatures = MAYFLY_SIGNATURES_DEFAULT;
        serve_image(IMAGE, NAME ",version=1.0,colour=red," PLATFORM);
        assert_int_equal(mayfly_image_pin(&pin, url, &world.options, &world.err), -EBADMSG);
        assert_non_null(strstr(world.err.message, "is not the file that was signed"));
        free(sign_by("bob"));
        world.options.signatures = MAYFLY_SIGNATURES_IF_PRESENT;
        assert_int_equal(mayfly_image_pin(&pin, url, &world.options, NULL), -ENOKEY);
        world.options.signatures = MAYFLY_SIGNATURES_REQUIRED;
        assert_int_equal(mayfly_image_pin(&pin, url, &world.options, NULL), -ENOKEY);
        assert_int_equal(count_entries(world.directory, "images"), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                signed_test(appc_signatures_a_good_one_is_accepted),
                signed_test(appc_signatures_are_over_the_bytes_as_served),
                signed_test(appc_signatures_a_subkey_signs_for_its_key),
                signed_test(appc_signatures_one_good_one_of_several_is_enough),
                signed_test(appc_signatures_keys_are_trusted_for_a_prefix),
                signed_test(appc_signatures_an_unknown_key_is_named),
                signed_test(appc_signatures_a_tampered_archive_is_refused),
                signed_test(appc_signatures_expired_ones_are_refused),
                signed_test(appc_signatures_a_revoked_key_is_refused),
                signed_test(appc_signatures_a_missing_one_is_told),
                signed_test(appc_signatures_malformed_ones_are_told_apart),
                signed_test(a_bad_key_file_does_not_hide_the_others),
                signed_test(keys_of_others_hands_are_refused_before_anything_is_fetched),
                signed_test(appc_signatures_are_where_the_image_is),
                signed_test(a_mirror_with_a_bad_signature_is_passed_over),
                signed_test(appc_signatures_a_pinned_image_needs_none_by_default),
                signed_test(appc_signatures_if_present_they_must_be_good),
                signed_test(the_policy_is_in_the_environment),
                signed_test(a_stored_image_is_checked_when_that_is_required),
                signed_test(what_the_store_knows_of_a_signature_can_cease_to_count),
                signed_test(a_signature_that_expires_in_the_store_counts_no_more),
                signed_test(a_pin_tells_the_signature),
        };

        return cmocka_run_group_tests(tests, signed_group_setup, signed_group_teardown);
}
