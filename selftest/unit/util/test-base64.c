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

#include "util/base64.h"

/* RFC 4648, 10, and what begins with more than ASCII. */
static const struct {
        const char *plain, *text;
} pairs[] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xff\xfe\xfb", "//77" },
        { "me:secret", "bWU6c2VjcmV0" },
};

static void both_ways_agree(void **state)
{
        (void) state;
        for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
                char *text = mf_base64_encode(pairs[i].plain, strlen(pairs[i].plain)), *plain = NULL;
                size_t size = 0;
                assert_string_equal(text, pairs[i].text);
                assert_int_equal(mf_base64_decode(text, &plain, &size), 0);
                assert_int_equal(size, strlen(pairs[i].plain));
                assert_string_equal(plain, pairs[i].plain);
                free(plain);
                text[strcspn(text, "=")] = '\0';
                assert_int_equal(mf_base64_decode(text, &plain, &size), 0);
                assert_string_equal(plain, pairs[i].plain);
                free(plain);
                free(text);
        }
}

static void all_bytes_survive(void **state)
{
        unsigned char data[256];

        (void) state;
        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (unsigned char) i;
        for (size_t n = 0; n <= sizeof(data); n++) {
                char *text = mf_base64_encode(data, n), *plain = NULL;
                size_t size = 0;
                assert_int_equal(mf_base64_decode(text, &plain, &size), 0);
                assert_int_equal(size, n);
                assert_memory_equal(plain, data, n);
                free(plain);
                free(text);
        }
}

static void other_texts_are_refused(void **state)
{
        static const char *const bad[] = { "A",     "AAAAA",  "Zg=",  "Zg===", "Zm8==", "Zm9v=",
                                           "Zm 9v", "Zm9v\n", "Zg=x", "Z-_v",  "====",  "\xc3\xa9" };

        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char *plain = NULL;
                size_t size;
                if (mf_base64_decode(bad[i], &plain, &size) != -EINVAL)
                        fail_msg("\"%s\" is decoded", bad[i]);
                assert_null(plain);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(both_ways_agree),
                cmocka_unit_test(all_bytes_survive),
                cmocka_unit_test(other_texts_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
