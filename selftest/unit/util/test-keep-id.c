/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/keep-id.h"

static void each_id_has_one_place(void **state)
{
        (void) state;
        for (uint32_t kept = 0; kept < 6; kept++) {
                assert_int_equal(mf_keep_id_outside(kept, kept), 0);
                for (uint32_t id = 0; id < 9; id++) {
                        assert_int_equal(mf_keep_id_inside(mf_keep_id_outside(id, kept), kept), id);
                        assert_int_equal(mf_keep_id_outside(mf_keep_id_inside(id, kept), kept), id);
                }
        }
        assert_int_equal(mf_keep_id_outside(0, 1000), 1);
        assert_int_equal(mf_keep_id_outside(999, 1000), 1000);
        assert_int_equal(mf_keep_id_outside(1001, 1000), 1001);
        assert_int_equal(mf_keep_id_outside(UINT32_MAX, 1000), UINT32_MAX);
}

static void lines_say_the_same(void **state)
{
        struct mf_keep_id_line lines[MF_KEEP_ID_LINES];

        (void) state;
        for (uint32_t kept = 0; kept < 6; kept++)
                for (uint32_t first = 0; first < 8; first++)
                        for (uint32_t count = 0; count < 9; count++) {
                                size_t n = mf_keep_id_lines(lines, first, count, kept);
                                uint32_t id = first;
                                for (size_t i = 0; i < n; i++) {
                                        assert_true(lines[i].count > 0);
                                        for (uint32_t k = 0; k < lines[i].count; k++, id++) {
                                                assert_int_equal(lines[i].outside + k, id);
                                                assert_int_equal(lines[i].inside + k, mf_keep_id_inside(id, kept));
                                        }
                                }
                                assert_int_equal(id, first + count);
                        }
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(each_id_has_one_place),
                                            cmocka_unit_test(lines_say_the_same) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
