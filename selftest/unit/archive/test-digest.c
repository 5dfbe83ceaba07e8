/* SPDX-License-Identifier: MIT */

/* SHA-512 against the vectors of FIPS 180-4's examples; checksums against the openssl program. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "archive/digest.h"

static const char two_blocks[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                                 "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";

static const struct {
        const char *text, *id;
} vectors[] = {
        { "", "sha512-cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
              "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e" },
        { "abc", "sha512-ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                 "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
        { two_blocks, "sha512-8e959b75dae313da8cf4f72814fc143f8f7779c6eb9f7fa17299aeadb6889018"
                      "501d289e4900f7e4331b99dec4b5433ac7d329eeb6dd26545e96e55b874be909" },
};

static void vectors_hold_in_pieces_of_any_size(void **state)
{
        (void) state;
        for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
                size_t length = strlen(vectors[v].text);
                for (size_t piece = 1; piece <= length + 1; piece++) {
                        struct mf_digest *digest = mf_digest_new();
                        char id[MF_ID_LENGTH + 1];

                        assert_non_null(digest);
                        for (size_t i = 0; i < length; i += piece) {
                                size_t n = piece < length - i ? piece : length - i;
                                assert_int_equal(mf_digest_update(digest, vectors[v].text + i, n), 0);
                        }
                        assert_int_equal(mf_digest_update(digest, "", 0), 0);
                        assert_int_equal(mf_digest_final(digest, id), 0);
                        assert_null(mf_digest_free(digest));
                        assert_string_equal(id, vectors[v].id);
                }
        }
}

static void a_million_letters(void **state)
{
        struct mf_digest *digest = mf_digest_new();
        char id[MF_ID_LENGTH + 1], piece[1000];

        (void) state;
        assert_non_null(digest);
        memset(piece, 'a', sizeof(piece));
        for (int i = 0; i < 1000; i++)
                assert_int_equal(mf_digest_update(digest, piece, sizeof(piece)), 0);
        assert_int_equal(mf_digest_final(digest, id), 0);
        mf_digest_free(digest);
        assert_string_equal(id, "sha512-e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                                "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

static void digests_do_not_meet(void **state)
{
        struct mf_digest *one = mf_digest_new(), *other = mf_digest_new();
        char id[MF_ID_LENGTH + 1];

        (void) state;
        assert_non_null(one);
        assert_non_null(other);
        assert_int_equal(mf_digest_update(one, "a", 1), 0);
        assert_int_equal(mf_digest_update(other, "abc", 3), 0);
        assert_int_equal(mf_digest_update(one, "bc", 2), 0);
        assert_int_equal(mf_digest_final(one, id), 0);
        assert_string_equal(id, vectors[1].id);
        assert_int_equal(mf_digest_final(other, id), 0);
        assert_string_equal(id, vectors[1].id);
        mf_digest_free(one);
        mf_digest_free(other);
}

/* As `openssl mac -macopt hexkey:243f... POLY1305` has it. Stores are full of them: they may not change. */
static void checksums_stay_what_they_are(void **state)
{
        struct mf_mac *checksum = mf_mac_new();
        char sum[MF_MAC_LENGTH + 1];

        (void) state;
        assert_non_null(checksum);
        assert_int_equal(mf_mac_final(checksum, sum), 0);
        assert_string_equal(sum, "a4093822299f31d0082efa98ec4e6c89");
        for (int i = 0; i < 2; i++) {
                assert_int_equal(mf_mac_begin(checksum), 0);
                assert_int_equal(mf_mac_update(checksum, "a", 1), 0);
                assert_int_equal(mf_mac_update(checksum, "bc", 2), 0);
                assert_int_equal(mf_mac_final(checksum, sum), 0);
                assert_string_equal(sum, "8277998dbeca27053e031aba03ee1dba");
        }
        assert_null(mf_mac_free(checksum));
}

static void nothing_is_freed(void **state)
{
        (void) state;
        assert_null(mf_digest_free(NULL));
        assert_null(mf_mac_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(vectors_hold_in_pieces_of_any_size),
                cmocka_unit_test(a_million_letters),
                cmocka_unit_test(digests_do_not_meet),
                cmocka_unit_test(checksums_stay_what_they_are),
                cmocka_unit_test(nothing_is_freed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
