/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/id-map.h"
#include "util/strv.h"

/* Reads a file of this text for the user ann, 1000. */
static struct mf_id_map read_text(const char *text)
{
        char path[] = "/tmp/mayfly-id-map-XXXXXX";
        struct mf_id_map map;
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        assert_int_equal(mf_id_map_read(&map, path, "ann", 1000, 1000), 0);
        close(fd);
        unlink(path);
        return map;
}

static void test_lines(void **state)
{
        static const struct {
                const char *text;
                size_t n;
                uint64_t count, end;
        } cases[] = {
                { "", 0, 0, 0 },
                { "bob:100000:65536\n", 0, 0, 165536 },
                { "ann:100000:65536\n", 1, 65536, 165536 },
                { "ann:100000:65536", 1, 65536, 165536 },
                { "1000:100000:10\nann:300000:5\nannette:900000:9\n", 2, 15, 900009 }, /* by number, and several */
                { "ann:100000:65536\nann:100000:65536\n1000:165535:2\n", 1, 65536, 165537 }, /* overlapping */
                { "ann:0:65536\n", 0, 0, 65536 },                                            /* has the user's own ID */
                { "ann:1001:10\n", 1, 10, 1011 },
                { "ann:991:9\n", 1, 9, 1000 },
                { "ann:100000:0\nann:x:1\nann:5\nann\n:\n\n# ann:5:5\nann:100000:5 \nann:1:2:3\n", 0, 0, 10 },
                { "ann:4294967294:1\nann:4294967295:1\nann:4294967290:10\nann:18446744073709551615:5\n", 1, 1,
                  4294967295 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                struct mf_id_map map = read_text(cases[i].text);
                if (map.n != cases[i].n || map.count != cases[i].count || map.end != cases[i].end)
                        fail_msg("%s: %zu ranges, %llu IDs, end %llu", cases[i].text, map.n,
                                 (unsigned long long) map.count, (unsigned long long) map.end);
        }
}

static void test_many(void **state)
{
        char *text = NULL;
        size_t size;
        FILE *f = open_memstream(&text, &size);

        (void) state;
        for (unsigned i = 0; i < 400; i++)
                fprintf(f, "ann:%u:1\n", 100000 + 2 * i);
        fclose(f);
        assert_int_equal(read_text(text).n, MF_ID_RANGES_MAX);
        free(text);
}

static void test_missing(void **state)
{
        struct mf_id_map map;

        (void) state;
        assert_int_equal(mf_id_map_read(&map, "/nonexistent/subuid", "ann", 1000, 1000), 0);
        assert_int_equal(map.n, 0);
        assert_int_equal(mf_id_map_read(&map, "/", "ann", 1000, 1000), -EIO);
}

static void test_arguments(void **state)
{
        static const char *const expected[] = { "/bin/newuidmap", "42", "0",  "1000",   "1", "1",
                                                "100000",         "10", "11", "300000", "5", NULL };
        struct mf_id_map map = read_text("ann:100000:10\nann:300000:5\n");
        char **arguments = mf_id_map_arguments(&map, "/bin/newuidmap", 42, 1000);
        size_t n = 0;

        (void) state;
        for (; expected[n]; n++)
                assert_string_equal(arguments[n], expected[n]);
        assert_null(arguments[n]);
        mf_strv_free(arguments);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines), cmocka_unit_test(test_many),
                                            cmocka_unit_test(test_missing), cmocka_unit_test(test_arguments) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
