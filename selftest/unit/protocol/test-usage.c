/* SPDX-License-Identifier: MIT */

/* What a cgroup tells of its processes, and how it travels. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/usage.h"

static char place[] = "/tmp/test-usage-XXXXXX";
static int directory = -1;

static void write_file(const char *name, const char *text)
{
        int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        close(fd);
}

static int set_up(void **state)
{
        (void) state;
        assert_non_null(mkdtemp(place));
        directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return directory < 0;
}

static int tear_down(void **state)
{
        static const char *const files[] = { "memory.peak", "cpu.stat", "memory.events", "other" };

        (void) state;
        for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
                unlinkat(directory, files[i], 0);
        close(directory);
        return rmdir(place);
}

static void numbers_are_found(void **state)
{
        struct mf_usage usage;

        (void) state;
        mf_usage_read(directory, &usage);
        assert_true(usage.memory_peak == MF_USAGE_UNKNOWN && usage.cpu_us == MF_USAGE_UNKNOWN &&
                    usage.oom_kills == MF_USAGE_UNKNOWN);
        mf_usage_read(-1, &usage);
        assert_true(usage.cpu_us == MF_USAGE_UNKNOWN);
        write_file("memory.peak", "4096\n");
        write_file("cpu.stat", "core_usage_usec 1\nusage_usec 77\nuser_usec 70\n");
        write_file("memory.events", "low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\noom_group_kill 0\n");
        mf_usage_read(directory, &usage);
        assert_int_equal(usage.memory_peak, 4096);
        assert_int_equal(usage.cpu_us, 77);
        assert_int_equal(usage.oom_kills, 2);
}

static void what_is_no_number_is_unknown(void **state)
{
        (void) state;
        write_file("other", "max\nkey\nkey x\nkeys 5\n");
        assert_true(mf_cgroup_number(directory, "other", NULL) == MF_USAGE_UNKNOWN);
        assert_true(mf_cgroup_number(directory, "other", "key") == MF_USAGE_UNKNOWN);
        assert_true(mf_cgroup_number(directory, "other", "eys") == MF_USAGE_UNKNOWN);
        assert_int_equal(mf_cgroup_number(directory, "other", "keys"), 5);
        write_file("other", "");
        assert_true(mf_cgroup_number(directory, "other", NULL) == MF_USAGE_UNKNOWN);
}

static void it_travels_as_text(void **state)
{
        static const char *const wrong[] = { "",
                                             "1",
                                             "1 2",
                                             "1 2 3 4",
                                             "1 2 3 ",
                                             " 1 2 3",
                                             "01 2 3",
                                             "-1 2 3",
                                             "1,2,3",
                                             "x 2 3",
                                             "18446744073709551616 2 3",
                                             "1 2 3\n" };
        const struct mf_usage given = { .memory_peak = MF_USAGE_UNKNOWN, .cpu_us = 12, .oom_kills = 0 };
        struct mf_usage usage = { 0 };
        char text[80];

        (void) state;
        mf_usage_write(&given, text, sizeof(text));
        assert_int_equal(mf_usage_parse(text, &usage), 0);
        assert_memory_equal(&usage, &given, sizeof(usage));
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                if (mf_usage_parse(wrong[i], &usage) != -EPROTO)
                        fail_msg("\"%s\" was taken", wrong[i]);
        assert_memory_equal(&usage, &given, sizeof(usage));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_found),
                cmocka_unit_test(what_is_no_number_is_unknown),
                cmocka_unit_test(it_travels_as_text),
        };

        return cmocka_run_group_tests_name("usage", tests, set_up, tear_down);
}
