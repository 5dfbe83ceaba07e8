/* SPDX-License-Identifier: MIT */

/* The place in a file of frames that have no function, in what gdb 13 and gdb 16 print. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "container/frames.h"

#define HEADING \
        "Mapped address spaces:\n\nStart Addr         End Addr           Size               Offset             File "
static const char gdb_13[] = HEADING "objfile\n"
                                     "      0x560106413000     0x560106414000     0x1000        0x0 /opt/a program\n"
                                     "      0x560106414000     0x560106415000     0x1000     0x1000 /opt/a program\n"
                                     "      0x7fd46ef54000     0x7fd46f0aa000   0x156000    0x26000 /lib/libc.so.6\n"
                                     "      0x7fd46ef2e000     0x7fd46ef54000    0x26000        0x0 /lib/libc.so.6\n";
static const char gdb_16[] = HEADING "\n"
                                     "0x0000560106413000 0x0000560106414000 0x1000 0x0 /opt/a program \n"
                                     "0x0000560106414000 0x0000560106415000 0x1000 0x1000 /opt/a program \n"
                                     "0x00007fd46ef2e000 0x00007fd46ef54000 0x26000 0x0 /lib/libc.so.6 \n"
                                     "0x00007fd46ef54000 0x00007fd46f0aa000 0x156000 0x26000 /lib/libc.so.6 \n";

static const char backtrace[] = "Thread 1 (LWP 7):\n"
                                "#0  0x0000560106414162 in ?? ()\n"
                                "#1  0x00007fd46ef54472 in abort () from /lib/libc.so.6\n"
                                "#2  0x00007fd46ef54472 in ?? () from /lib/libc.so.6\n"
                                "#3  0x00007fd46ef54473 in ?? ()\n"
                                "#10 0x0000000000000001 in ?? ()\n"
                                "#11 main () at ?? ().c:3\n"
                                "text = 0x0000560106414162 in ?? ()\n"
                                "#12 0x0000560106414162 in ?? ()";

static void expect(const char *mapped, int knows_program, const char *expected)
{
        struct mf_mappings mappings;
        struct mf_buffer named = { 0 };

        assert_int_equal(mf_mappings_take(&mappings, strdup(mapped)), 0);
        assert_int_equal(mappings.n, 4);
        const struct mf_frames_program program = { .mapping = mf_mappings_find(&mappings, 0x560106413000),
                                                   .path = "/a program",
                                                   .shift = 0x560106013000 };
        const struct mf_frames_program none = { 0 };
        assert_int_equal(mf_frames_name(backtrace, &mappings, knows_program ? &program : &none, &named), 0);
        assert_string_equal(named.data, expected);
        mf_buffer_clear(&named);
        mf_mappings_clear(&mappings);
}

/* The same with the places where the program was. */
#define NAMED(program)                                                  \
        "Thread 1 (LWP 7):\n"                                           \
        "#0  0x0000560106414162 in ?? () from " program "\n"            \
        "#1  0x00007fd46ef54472 in abort () from /lib/libc.so.6\n"      \
        "#2  0x00007fd46ef54472 in ?? () from /lib/libc.so.6+0x26472\n" \
        "#3  0x00007fd46ef54473 in ?? () from /lib/libc.so.6+0x26473\n" \
        "#10 0x0000000000000001 in ?? ()\n"                             \
        "#11 main () at ?? ().c:3\n"                                    \
        "text = 0x0000560106414162 in ?? ()\n"                          \
        "#12 0x0000560106414162 in ?? () from " program

static void frames_get_their_places(void **state)
{
        (void) state;
        expect(gdb_13, 1, NAMED("/a program+0x401162"));
        expect(gdb_16, 1, NAMED("/a program+0x401162"));
}

static void without_the_program_its_mapping_counts(void **state)
{
        (void) state;
        expect(gdb_16, 0, NAMED("/opt/a program+0x1162"));
}

static void what_is_no_mapping_is_left_out(void **state)
{
        struct mf_mappings mappings;

        (void) state;
        assert_int_equal(
                mf_mappings_take(&mappings, strdup("0x1 0x2\n0x1 0x2 0x3 0x4\n0x1 0x2 0x3 0x4 \n\n0x 0x 0x 0x /a\n-")),
                0);
        assert_int_equal(mappings.n, 0);
        assert_null(mf_mappings_find(&mappings, 1));
        mf_mappings_clear(&mappings);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(frames_get_their_places),
                cmocka_unit_test(without_the_program_its_mapping_counts),
                cmocka_unit_test(what_is_no_mapping_is_left_out),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
