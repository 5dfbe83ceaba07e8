/* SPDX-License-Identifier: MIT */

/* When there is memory for a spare. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ready/room.h"

#define MIB (UINT64_C(1) << 20)

static char path[] = "/tmp/test-room-XXXXXX";

static void write_meminfo(const char *text)
{
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static void twice_the_peak_must_be_available(void **state)
{
        (void) state;
        write_meminfo("MemTotal:       16384000 kB\nMemFree:         9999999 kB\nMemAvailable:     204800 kB\n");
        assert_true(mf_has_room(path, 0));
        assert_true(mf_has_room(path, 50 * MIB));
        assert_true(mf_has_room(path, 100 * MIB));
        assert_false(mf_has_room(path, 100 * MIB + 1024));
        assert_false(mf_has_room(path, 300 * MIB));
        assert_false(mf_has_room(path, UINT64_MAX));
}

static void without_a_number_there_is_none(void **state)
{
        (void) state;
        write_meminfo("MemTotal:       16384000 kB\nMemFree:         9999999 kB\n");
        assert_false(mf_has_room(path, 0));
        write_meminfo("");
        assert_false(mf_has_room(path, 0));
        assert_false(mf_has_room("/nowhere/meminfo", 0));
}

static void this_host_says_it(void **state)
{
        (void) state;
        assert_true(mf_has_room("/proc/meminfo", 1));
        assert_false(mf_has_room("/proc/meminfo", UINT64_MAX / 2));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(twice_the_peak_must_be_available),
                cmocka_unit_test(without_a_number_there_is_none),
                cmocka_unit_test(this_host_says_it),
        };
        int fd = mkstemp(path);

        if (fd < 0)
                return 1;
        close(fd);
        int r = cmocka_run_group_tests(tests, NULL, NULL);
        unlink(path);
        return r;
}
