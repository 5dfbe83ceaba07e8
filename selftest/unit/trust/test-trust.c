/* SPDX-License-Identifier: MIT */

/* The directories of trusted keys, and the outside of OpenPGP data. */

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

#include "support/support.h"
#include "trust/keyring.h"

#define KEY                                                                  \
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n"                           \
        "mDMEawUITBYJKwYBBAHaRw8BAQdAxzv9MtOviiDpfr1DxMHIz0KbKcUBtqZdbIkg\n" \
        "nhnUf2S0C0FsaWNlIDxhQHg+iJAEExYIADgWIQQNItqtDh3YNDjAWecs41+T3qQ3\n" \
        "wQUCawUITAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAKCRAs41+T3qQ3wYGo\n" \
        "AQCi1QeT0oXeS64l0anjq2J9nDEJYHz5bz7JbJQfV9EZPQD/TxX9EwYLjcTAUJsE\n" \
        "ZBpSIccYeAPDDF3092cHmJTKHQw=\n"                                     \
        "=vXze\n"                                                            \
        "-----END PGP PUBLIC KEY BLOCK-----\n"
#define SIG_BODY                                                             \
        "iHUEABYIAB0WIQQNItqtDh3YNDjAWecs41+T3qQ3wQUCawUITAAKCRAs41+T3qQ3\n" \
        "wYSzAQDj3k/9ZDt9mH1ZodH4Y8U5/HqlR5rqZXauieF47jZ6zAD/TiuwIhSlOAHV\n" \
        "0pfkL5OC37nprVBKfeJcTbprbuEekAY=\n"
#define SIG_BEGIN "-----BEGIN PGP SIGNATURE-----\n"
#define SIG_END "-----END PGP SIGNATURE-----\n"
#define SIG SIG_BEGIN "\n" SIG_BODY "=KQE4\n" SIG_END
#define FINGERPRINT "0D22DAAD0E1DD83438C059E72CE35F93DEA437C1"
#define FILE_NAME "0d22daad0e1dd83438c059e72ce35f93dea437c1"

static char *directory, *other;

static int setup(void **state)
{
        (void) state;
        directory = make_directory();
        other = make_directory();
        unsetenv("MAYFLY_TRUSTED_KEYS");
        setenv("XDG_CONFIG_HOME", "/nowhere", 1);
        return 0;
}

static int teardown(void **state)
{
        (void) state;
        remove_directory(directory);
        remove_directory(other);
        unsetenv("XDG_CONFIG_HOME");
        return 0;
}

/* --- OpenPGP ----------------------------------------------------------------------------------------------------- */

static void reads(enum mf_openpgp_kind kind, const char *text, size_t size, unsigned n, size_t bytes)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_packets packets = { 0 };

        if (mf_openpgp_read(&packets, kind, text, size, "it", &err) < 0)
                fail_msg("%s", err.message);
        assert_int_equal(packets.n, n);
        assert_int_equal(packets.size, bytes);
        mf_packets_clear(&packets);
}

static void refuses(enum mf_openpgp_kind kind, const char *text, const char *message)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_packets packets = { 0 };

        int r = mf_openpgp_read(&packets, kind, text, strlen(text), "it", &err);
        if (r != -EBADMSG || err.stage != MAYFLY_STAGE_SIGNATURE || !strstr(err.message, message) || packets.data)
                fail_msg("%.60s: %d \"%s\", not \"%s\"", text, r, err.message, message);
}

static void appc_signatures_armour_is_taken_off(void **state)
{
        (void) state;
        reads(MF_OPENPGP_SIGNATURE, SIG, strlen(SIG), 1, 119);
        reads(MF_OPENPGP_SIGNATURE, SIG SIG, 2 * strlen(SIG), 2, 238);
        static const char crlf[] =
                "\r\n-----BEGIN PGP SIGNATURE-----\r\nVersion: x\r\nComment: y\r\n\r\n" SIG_BODY SIG_END;
        reads(MF_OPENPGP_SIGNATURE, crlf, strlen(crlf), 1, 119); /* the checksum is optional */
        reads(MF_OPENPGP_KEYS, KEY, strlen(KEY), 1, 212);
        static const char two[] = "pub\n" KEY "and\n" KEY "that\n";
        reads(MF_OPENPGP_KEYS, two, strlen(two), 2, 424);
        struct mf_packets packets = { 0 };
        assert_int_equal(mf_openpgp_read(&packets, MF_OPENPGP_KEYS, KEY, strlen(KEY), "it", NULL), 0);
        reads(MF_OPENPGP_KEYS, (char *) packets.data, packets.size, 1, 212); /* binary */
        mf_packets_clear(&packets);
}

static void appc_signatures_malformed_ones_are_told_apart(void **state)
{
        static const struct {
                const char *text, *message;
        } cases[] = {
                { "", "it is empty" },
                { " \n\t", "it is empty" },
                { "<!DOCTYPE html><html>", "it is a web page; a detached signature in ASCII armour is wanted" },
                { "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nx\n" SIG, "it is a signed message" },
                { "-----BEGIN PGP MESSAGE-----\n\nAAAA\n", "it is a signed or encrypted message" },
                { KEY, "it is a public key" },
                { "\x88\x75\x04", "it is binary" },
                { "hello", "it is something else" },
                { "x\n" SIG, "it is something else" },
                { SIG_BEGIN, "cut off or changed" },
                { SIG_BEGIN "\n" SIG_BODY, "cut off or changed" },
                { SIG_BEGIN SIG_BODY SIG_END, "cut off or changed" },
                { SIG_BEGIN "\n" SIG_BODY "=KQE5\n" SIG_END, "cut off or changed" },
                { SIG_BEGIN "\n" SIG_BODY "=KQE4KQE4KQE4\n" SIG_END, "cut off or changed" },
                { SIG_BEGIN "\n!" SIG_BODY SIG_END, "cut off or changed" },
                { SIG_BEGIN "\nAAA\n" SIG_END, "cut off or changed" },
                { SIG_BEGIN "\n\n" SIG_END, "has no signature" },
                { SIG_BEGIN "\nAAAA\n" SIG_END, "is not OpenPGP data" },
                { SIG_BEGIN "\niHUE\n" SIG_END, "is cut off" },
                /* packets of other kinds in a signature's armour: a key, compressed data, literal data */
                { SIG_BEGIN "\nmAAA\n" SIG_END, "it is a signed message, not a detached signature" },
                { SIG_BEGIN "\nmAGI\n" SIG_END, "it is a signed message, not a detached signature" },
                { SIG_BEGIN "\nywFi\n" SIG_END, "it is a signed message, not a detached signature" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
                refuses(MF_OPENPGP_SIGNATURE, cases[i].text, cases[i].message);
        refuses(MF_OPENPGP_KEYS, SIG, "it is a signature; public keys are wanted");
        refuses(MF_OPENPGP_KEYS, "<html>", "it is a web page");
        refuses(MF_OPENPGP_KEYS, "-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "it is a secret key");
        refuses(MF_OPENPGP_KEYS, "\x94\x01x", "it has a secret key");
        refuses(MF_OPENPGP_KEYS, "\xb0\x01x", "it has no public key");
}

/* GnuPG's own notes ("this self-signature is good") are not for others to write. */
static void trust_packets_are_left_out(void **state)
{
        static const char bytes[] = "\x98\x02kk\xb0\x01t\xb4\x01u\x88\x01s\xcc\x01t";
        struct mf_packets packets = { 0 };

        (void) state;
        assert_int_equal(mf_openpgp_read(&packets, MF_OPENPGP_KEYS, bytes, sizeof(bytes) - 1, "it", NULL), 0);
        assert_int_equal(packets.size, 10);
        assert_memory_equal(packets.data, "\x98\x02kk\xb4\x01u\x88\x01s", 10);
        mf_packets_clear(&packets);
}

static void rubbish_is_refused(void **state)
{
        static const char *const bits[] = { SIG_BEGIN,
                                            "\n",
                                            SIG_BODY,
                                            "=KQE4\n",
                                            SIG_END,
                                            "iHUE",
                                            "=",
                                            "-----",
                                            "\r",
                                            "A: b\n",
                                            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n",
                                            KEY,
                                            "\x98\x02",
                                            "\xff\x01",
                                            "\xff\xff\xff\xff\xff",
                                            "\x9b",
                                            "\xc2\xc0" };
        unsigned seed = 3;

        (void) state;
        for (unsigned round = 0; round < 3000; round++) {
                char text[4096];
                size_t n = 0;
                for (unsigned i = 0; i < 1 + round % 9; i++) {
                        seed = seed * 1103515245U + 12345U;
                        const char *bit = bits[(seed >> 16) % (sizeof(bits) / sizeof(bits[0]))];
                        if (n + strlen(bit) > sizeof(text))
                                break;
                        memcpy(text + n, bit, strlen(bit));
                        n += strlen(bit);
                }
                for (int kind = MF_OPENPGP_KEYS; kind <= MF_OPENPGP_SIGNATURE; kind++) {
                        char *exact = malloc(n); /* so that a read beyond it is seen */
                        struct mf_packets packets = { 0 };
                        memcpy(exact, text, n);
                        int r = mf_openpgp_read(&packets, (enum mf_openpgp_kind) kind, exact, n, "it", NULL);
                        assert_true(r == 0 ? packets.n > 0 && packets.size <= n : r == -EBADMSG && !packets.data);
                        mf_packets_clear(&packets);
                        free(exact);
                }
        }
}

static void fingerprints_are_parsed(void **state)
{
        static const char *const bad[] = { "",
                                           "0D22",
                                           "0D22DAAD0E1DD83438C059E72CE35F93DEA437C",
                                           FINGERPRINT "0",
                                           "xD22DAAD0E1DD83438C059E72CE35F93DEA437C1",
                                           FINGERPRINT FINGERPRINT };
        char got[MF_FINGERPRINT_MAX + 1];

        (void) state;
        assert_int_equal(mf_fingerprint_parse(FILE_NAME, got), 0);
        assert_string_equal(got, FINGERPRINT);
        assert_int_equal(mf_fingerprint_parse("0x0D22 DAAD 0E1D D834 38C0  59E7 2CE3 5F93 DEA4 37c1", got), 0);
        assert_string_equal(got, FINGERPRINT);
        assert_int_equal(mf_fingerprint_parse(FINGERPRINT "0D22DAAD0E1DD83438C059E7", got), 0); /* of 256 bits */
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
                assert_int_equal(mf_fingerprint_parse(bad[i], got), -EINVAL);
}

/* --- the directories ---------------------------------------------------------------------------------------------- */

static void trust(const char *where, const char *prefix, char **ret_path)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char *path = NULL;

        if (mf_keyring_write(where, prefix, FINGERPRINT, KEY, strlen(KEY), &path, &err) < 0)
                fail_msg("%s", err.message);
        if (ret_path)
                *ret_path = path;
        else
                free(path);
}

static void appc_signatures_keys_are_trusted_by_whole_parts_of_a_name(void **state)
{
        (void) state;
        assert_true(mf_keyring_covers(NULL, "example.com/a"));
        assert_true(mf_keyring_covers("example.com", "example.com"));
        assert_true(mf_keyring_covers("example.com", "example.com/a"));
        assert_true(mf_keyring_covers("example.com/a", "example.com/a/b"));
        assert_false(mf_keyring_covers("example.com/a", "example.com/ab"));
        assert_false(mf_keyring_covers("example.com/a", "example.com"));
        assert_false(mf_keyring_covers("example.com", "example.community/a"));
}

static void keys_are_files_named_by_prefix_and_fingerprint(void **state)
{
        struct mf_keyring trusted = { 0 };
        char *path, expected[600];
        struct stat st;

        (void) state;
        umask(0);
        trust(directory, "example.com/a-b", &path);
        snprintf(expected, sizeof(expected), "%s/prefix.d/example.com,a-b/" FILE_NAME, directory);
        assert_string_equal(path, expected);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644);
        free(path);
        trust(directory, NULL, NULL);
        trust(directory, NULL, NULL); /* again */
        snprintf(expected, sizeof(expected), "%s/root.d", directory);
        assert_int_equal(stat(expected, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(count_entries(directory, "root.d"), 1);
        /* what is no key by its name is passed over */
        snprintf(expected, sizeof(expected), "%s/root.d/README", directory);
        write_file(expected, "x", 1);
        snprintf(expected, sizeof(expected), "%s/README", directory);
        write_file(expected, "x", 1);
        snprintf(expected, sizeof(expected), "%s/prefix.d/Bad,Prefix", directory);
        assert_int_equal(mkdir(expected, 0755), 0);
        assert_int_equal(mf_keyring_load(directory, &trusted, NULL), 0);
        assert_int_equal(trusted.n, 2);
        assert_null(trusted.list[0].prefix);
        assert_string_equal(trusted.list[1].prefix, "example.com/a-b");
        assert_string_equal(trusted.list[1].fingerprint, FINGERPRINT);
        assert_int_equal(trusted.list[1].size, strlen(KEY));
        assert_memory_equal(trusted.list[1].data, KEY, strlen(KEY));
        assert_ptr_equal(mf_keyring_find(&trusted, FINGERPRINT, "other.org/x"), &trusted.list[0]);
        assert_null(mf_keyring_find(&trusted, "00", "other.org/x"));
        mf_keyring_clear(&trusted);
}

static void directories_are_chosen(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_keyring trusted = { 0 };
        char both[600], path[600];

        (void) state;
        snprintf(both, sizeof(both), "%s:%s", directory, other);
        setenv("MAYFLY_TRUSTED_KEYS", both, 1);
        trust(NULL, "example.com", NULL); /* into the first */
        assert_int_equal(count_entries(directory, "prefix.d"), 1);
        trust(other, "example.org", NULL);
        assert_int_equal(mf_keyring_load(NULL, &trusted, NULL), 0);
        assert_int_equal(trusted.n, 2);
        mf_keyring_clear(&trusted);
        assert_int_equal(mf_keyring_load(other, &trusted, NULL), 0); /* the option counts more */
        assert_int_equal(trusted.n, 1);
        mf_keyring_clear(&trusted);
        assert_int_equal(mf_keyring_load("", &trusted, NULL), 0);
        assert_int_equal(trusted.n, 0);
        assert_int_equal(mf_keyring_load("/nowhere/at/all", &trusted, NULL), 0);
        assert_int_equal(trusted.n, 0);
        assert_int_equal(mf_keyring_load("keys", &trusted, &err), -EINVAL);
        assert_non_null(strstr(err.message, "\"keys\" (from the option trusted_keys) must be an absolute path"));
        unsetenv("MAYFLY_TRUSTED_KEYS");
        setenv("XDG_CONFIG_HOME", directory, 1);
        snprintf(path, sizeof(path), "%s/mayfly/trustedkeys", directory);
        trust(path, "example.net", NULL);
        assert_int_equal(mf_keyring_load(NULL, &trusted, NULL), 0);
        assert_non_null(mf_keyring_find(&trusted, FINGERPRINT, "example.net"));
        mf_keyring_clear(&trusted);
}

static void refused(const char *path, const char *message)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_keyring trusted = { 0 };

        int r = mf_keyring_load(directory, &trusted, &err);
        if (r != -EPERM || !strstr(err.message, path) || !strstr(err.message, message))
                fail_msg("%s: %d \"%s\", not \"%s\"", path, r, err.message, message);
}

static void keys_that_others_can_write_are_refused(void **state)
{
        static const char *const paths[] = { "", "/prefix.d", "/prefix.d/example.com",
                                             ("/prefix.d/example.com/" FILE_NAME) };
        struct mf_keyring trusted = { 0 };

        (void) state;
        trust(directory, "example.com", NULL);
        for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
                char path[600];
                struct stat st;
                snprintf(path, sizeof(path), "%s%s", directory, paths[i]);
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(chmod(path, (st.st_mode & 07777) | 02), 0);
                refused(path, "can be written by others");
                assert_int_equal(chmod(path, (st.st_mode & 07777) | 020), 0);
                refused(path, "can be written by others");
                assert_int_equal(chmod(path, st.st_mode & 07777), 0);
                if (geteuid() == 0) {
                        assert_int_equal(chown(path, 12345, 12345), 0);
                        refused(path, "belongs to user 12345, which is neither root nor this user");
                        assert_int_equal(chown(path, 0, 0), 0);
                }
        }
        assert_int_equal(mf_keyring_load(directory, &trusted, NULL), 0);
        assert_int_equal(trusted.n, 1);
        mf_keyring_clear(&trusted);
}

static void what_is_no_file_is_refused(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_keyring trusted = { 0 };
        char path[600];

        (void) state;
        trust(directory, NULL, NULL);
        snprintf(path, sizeof(path), "%s/root.d/" FILE_NAME, directory);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(mf_keyring_load(directory, &trusted, &err), -EINVAL);
        assert_non_null(strstr(err.message, "is not a regular file of at most 1 MiB"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mf_keyring_load(directory, &trusted, &err), -ELOOP);
}

#define trust_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
        const struct CMUnitTest tests[] = {
                trust_test(appc_signatures_armour_is_taken_off),
                trust_test(appc_signatures_malformed_ones_are_told_apart),
                trust_test(trust_packets_are_left_out),
                trust_test(rubbish_is_refused),
                trust_test(fingerprints_are_parsed),
                trust_test(appc_signatures_keys_are_trusted_by_whole_parts_of_a_name),
                trust_test(keys_are_files_named_by_prefix_and_fingerprint),
                trust_test(directories_are_chosen),
                trust_test(keys_that_others_can_write_are_refused),
                trust_test(what_is_no_file_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
