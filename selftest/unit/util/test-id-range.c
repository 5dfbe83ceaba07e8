/* SPDX-License-Identifier: MIT */
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
#include <unistd.h>

#include "support/support.h"
#include "util/fd.h"
#include "util/id-range.h"

/* Ranges of IDs for user namespaces: clear of everybody's, and of each other. */

static char directory[64];

static const char *file(const char *name, const char *text)
{
        static char paths[8][128];
        static unsigned n;
        char *path = paths[n++ % 8];

        snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
        if (text)
                write_file(path, text, strlen(text));
        return path;
}

static int set_up(void **state)
{
        (void) state;
        strcpy(directory, "/tmp/mayfly-id-range-XXXXXX");
        return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
        char command[128];

        (void) state;
        snprintf(command, sizeof(command), "rm -rf %s", directory);
        return system(command);
}

static void ranges_are_of_systemds_containers_and_differ(void **state)
{
        struct mf_id_range ranges[64];

        (void) state;
        for (size_t i = 0; i < 64; i++) {
                assert_int_equal(mf_id_range_take(&ranges[i], NULL), 0);
                assert_true(ranges[i].base >= MF_ID_RANGE_FIRST);
                assert_true(ranges[i].base <= MF_ID_RANGE_LAST - MF_ID_RANGE_SIZE + 1);
                assert_int_equal(ranges[i].base % MF_ID_RANGE_SIZE, 0);
                for (size_t k = 0; k < i; k++)
                        assert_int_not_equal(ranges[i].base, ranges[k].base);
        }
        for (size_t i = 0; i < 64; i++)
                mf_close(ranges[i].lock);
}

/* Everything but one range is somebody's: that one is found, once. */
static void the_one_free_range_is_found_and_then_none(void **state)
{
        struct mf_id_range range = { 0, -1 }, other = { 7, -1 };
        char subuid[256];
        const uint32_t free_base = MF_ID_RANGE_FIRST + 16 * MF_ID_RANGE_SIZE;

        (void) state;
        snprintf(subuid, sizeof(subuid), "alice:%u:%u\nbob:%u:%u\n# a comment\nbroken\ncarol:x:y\n", MF_ID_RANGE_FIRST,
                 free_base - MF_ID_RANGE_FIRST, free_base + MF_ID_RANGE_SIZE,
                 MF_ID_RANGE_LAST - free_base - MF_ID_RANGE_SIZE);
        const struct mf_id_files files = { file("passwd", "root:x:0:0::/:/bin/sh\n"), file("group", "root:x:0:\n"),
                                           file("subuid", subuid), file("missing", NULL) };
        int r = 0;
        for (unsigned i = 0; i < 100000 && (r = mf_id_range_take(&range, &files)) == -EAGAIN; i++)
                ;
        assert_int_equal(r, 0);
        assert_int_equal(range.base, free_base);
        assert_int_equal(mf_id_range_take(&other, &files), -EAGAIN);
        assert_int_equal(other.base, 7); /* not touched */
        mf_close(range.lock);
}

static void takes_none_with(const char *passwd, const char *group, const char *subuid, const char *subgid)
{
        const struct mf_id_files files = { file("passwd", passwd), file("group", group), file("subuid", subuid),
                                           file("subgid", subgid) };
        struct mf_id_range range;

        assert_int_equal(mf_id_range_take(&range, &files), -EAGAIN);
}

static void each_file_counts(void **state)
{
        char all[128], one[256] = "";

        (void) state;
        snprintf(all, sizeof(all), "alice:%u:%u\n", MF_ID_RANGE_FIRST, MF_ID_RANGE_LAST - MF_ID_RANGE_FIRST + 1);
        takes_none_with("", "", all, "");
        takes_none_with("", "", "", all);
        /* A user or group in the middle of each range. */
        size_t size = 0;
        char *lines = malloc(2U << 20);
        assert_non_null(lines);
        for (uint64_t id = MF_ID_RANGE_FIRST + 1234; id < MF_ID_RANGE_LAST; id += MF_ID_RANGE_SIZE)
                size += (size_t) sprintf(lines + size, "u:x:%llu:0::/:\n", (unsigned long long) id);
        takes_none_with(lines, one, one, one);
        takes_none_with(one, lines, one, one);
        free(lines);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
        const struct mf_id_files files = { directory, file("group", ""), file("subuid", ""), file("subgid", "") };
        struct mf_id_range range;

        (void) state;
        assert_int_equal(mf_id_range_take(&range, &files), -EIO);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ranges_are_of_systemds_containers_and_differ),
                cmocka_unit_test_setup_teardown(the_one_free_range_is_found_and_then_none, set_up, tear_down),
                cmocka_unit_test_setup_teardown(each_file_counts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_an_error, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
