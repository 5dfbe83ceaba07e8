/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sched.h>
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
        static char paths[32][128];
        static unsigned n;
        char *path = paths[n++ % 32];

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
                assert_int_equal(mf_id_range_take(&ranges[i], MF_ID_RANGE_SIZE, NULL), 0);
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
        struct mf_id_range range = { .lock = -1 }, other = { .base = 7, .lock = -1 };
        char subuid[256];
        const uint32_t free_base = MF_ID_RANGE_FIRST + 16 * MF_ID_RANGE_SIZE;

        (void) state;
        snprintf(subuid, sizeof(subuid), "alice:%u:%u\nbob:%u:%u\n# a comment\nbroken\ncarol:x:y\n", MF_ID_RANGE_FIRST,
                 free_base - MF_ID_RANGE_FIRST, free_base + MF_ID_RANGE_SIZE,
                 MF_ID_RANGE_LAST - free_base - MF_ID_RANGE_SIZE);
        const struct mf_id_files files = { file("passwd", "root:x:0:0::/:/bin/sh\n"), file("group", "root:x:0:\n"),
                                           file("subuid", subuid), file("missing", NULL), file("missing", NULL) };
        int r = 0;
        for (unsigned i = 0; i < 100000 && (r = mf_id_range_take(&range, MF_ID_RANGE_SIZE, &files)) == -EAGAIN; i++)
                ;
        assert_int_equal(r, 0);
        assert_int_equal(range.base, free_base);
        assert_int_equal(mf_id_range_take(&other, MF_ID_RANGE_SIZE, &files), -EAGAIN);
        assert_int_equal(other.base, 7); /* not touched */
        mf_close(range.lock);
}

static void takes_none_with(const char *passwd, const char *group, const char *subuid, const char *subgid)
{
        const struct mf_id_files files = { file("passwd", passwd), file("group", group), file("subuid", subuid),
                                           file("subgid", subgid), NULL };
        struct mf_id_range range;

        assert_int_equal(mf_id_range_take(&range, MF_ID_RANGE_SIZE, &files), -EAGAIN);
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
        const struct mf_id_files files = { directory, file("group", ""), file("subuid", ""), file("subgid", ""), NULL };
        struct mf_id_range range;

        (void) state;
        assert_int_equal(mf_id_range_take(&range, MF_ID_RANGE_SIZE, &files), -EIO);
}

/* Gives all but `count` ranges from number `first` on to somebody. */
static struct mf_id_files all_but(unsigned first, unsigned count, const char *nspawn)
{
        const uint32_t from = first * MF_ID_RANGE_SIZE, to = (first + count) * MF_ID_RANGE_SIZE;
        char subuid[256];

        snprintf(subuid, sizeof(subuid), "alice:%u:%u\nbob:%u:%u\n", MF_ID_RANGE_FIRST, from - MF_ID_RANGE_FIRST, to,
                 MF_ID_RANGE_LAST + 1 - to);
        return (struct mf_id_files){ file("passwd", ""), file("group", ""), file("subuid", subuid), file("subgid", ""),
                                     nspawn ? nspawn : file("missing", NULL) };
}

/* Takes a range where few are free: it takes as many attempts as it takes. */
static void takes(struct mf_id_range *ret, uint32_t size, const struct mf_id_files *files, unsigned expected)
{
        int r = -EAGAIN;

        for (unsigned i = 0; i < 100000 && r == -EAGAIN; i++)
                r = mf_id_range_take(ret, size, files);
        assert_int_equal(r, 0);
        assert_int_equal(ret->base, expected * MF_ID_RANGE_SIZE);
        assert_int_equal(ret->size, size);
}

/* No attempt finds one: each tries 200 ranges of those that large ones leave few of. */
static void takes_no_more(uint32_t size, const struct mf_id_files *files)
{
        struct mf_id_range range;

        for (unsigned i = 0; i < 200; i++)
                assert_int_equal(mf_id_range_take(&range, size, files), -EAGAIN);
}

static void large_and_small_ranges_exclude_each_other(void **state)
{
        const uint32_t four = 4 * MF_ID_RANGE_SIZE;
        struct mf_id_range large, small, odd;

        (void) state;
        const struct mf_id_files files = all_but(64, 4, NULL);
        takes(&large, four, &files, 64);
        takes_no_more(MF_ID_RANGE_SIZE, &files);
        takes_no_more(four, &files);
        mf_close(large.lock);
        const struct mf_id_files last = all_but(67, 1, NULL);
        takes(&small, MF_ID_RANGE_SIZE, &last, 67);
        const struct mf_id_files again = all_but(64, 4, NULL);
        takes_no_more(four, &again);
        takes(&odd, 2 * MF_ID_RANGE_SIZE, &again, 64);
        mf_close(small.lock);
        mf_close(odd.lock);
        takes(&odd, 3 * MF_ID_RANGE_SIZE, &again, 64);
        takes_no_more(MF_ID_RANGE_SIZE, &again); /* what rounding up leaves is nobody's */
        mf_close(odd.lock);
}

static void sizes_have_limits(void **state)
{
        struct mf_id_range range;

        (void) state;
        for (uint32_t wrong = 1; wrong < MF_ID_RANGE_SIZE; wrong = 2 * wrong + 1)
                assert_int_equal(mf_id_range_take(&range, wrong, NULL), -EINVAL);
        assert_int_equal(mf_id_range_take(&range, 0, NULL), -EINVAL);
        assert_int_equal(mf_id_range_take(&range, MF_ID_RANGE_SIZE_MAX + MF_ID_RANGE_SIZE, NULL), -EINVAL);
        const struct mf_id_files nobodys = { file("passwd", ""), file("group", ""), file("subuid", ""),
                                             file("subgid", ""), directory };
        assert_int_equal(mf_id_range_take(&range, MF_ID_RANGE_SIZE_MAX, &nobodys), 0);
        assert_true(range.base >= MF_ID_RANGE_FIRST && range.base % MF_ID_RANGE_SIZE_MAX == 0);
        assert_true(range.base + (range.size - 1) <= MF_ID_RANGE_LAST);
        mf_close(range.lock);
}

/* systemd-nspawn --private-users=pick has such a file while it runs. */
static void what_nspawn_has_is_not_taken(void **state)
{
        struct mf_id_range range;
        char name[32];

        (void) state;
        const struct mf_id_files files = all_but(64, 4, directory);
        for (unsigned i = 64; i < 68; i++) {
                takes(&range, 4 * MF_ID_RANGE_SIZE, &files, 64);
                mf_close(range.lock);
                snprintf(name, sizeof(name), "%u", i * MF_ID_RANGE_SIZE);
                const char *lock = file(name, "");
                takes_no_more(4 * MF_ID_RANGE_SIZE, &files);
                unlink(lock);
        }
        for (unsigned i = 64; i < 67; i++) {
                snprintf(name, sizeof(name), "%u", i * MF_ID_RANGE_SIZE);
                file(name, "");
        }
        takes(&range, MF_ID_RANGE_SIZE, &files, 67);
        mf_close(range.lock);
}

/* Leaves the network namespace in which containers of others have the locks of their ranges. */
static int leave_others(void **state)
{
        (void) state;
        if (unshare(getuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) == 0)
                return 0;
        perror("making a network namespace, where no other process has a range of IDs");
        return -1;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(ranges_are_of_systemds_containers_and_differ),
                cmocka_unit_test_setup_teardown(the_one_free_range_is_found_and_then_none, set_up, tear_down),
                cmocka_unit_test_setup_teardown(each_file_counts, set_up, tear_down),
                cmocka_unit_test_setup_teardown(large_and_small_ranges_exclude_each_other, set_up, tear_down),
                cmocka_unit_test_setup_teardown(sizes_have_limits, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_nspawn_has_is_not_taken, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_an_error, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, leave_others, NULL);
}
