/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/cmocka-versions.h"
#include "util/buffer.h"

static void bytes_are_appended(void **state)
{
        struct mf_buffer buffer = { 0 };

        (void) state;
        assert_int_equal(mf_buffer_add(&buffer, NULL, 0), 0);
        assert_string_equal(buffer.data, "");
        assert_int_equal(mf_buffer_add(&buffer, "one", 3), 0);
        assert_int_equal(mf_buffer_add(&buffer, "\0two", 4), 0);
        assert_int_equal(buffer.size, 7);
        assert_memory_equal(buffer.data, "one\0two", 8);
        assert_int_equal(mf_buffer_add(&buffer, "", SIZE_MAX - 3), -ENOMEM);
        assert_memory_equal(buffer.data, "one\0two", 8);
        mf_buffer_clear(&buffer);
        assert_null(buffer.data);
}

/* Of a million additions only some move the bytes. */
static void growth_is_geometric(void **state)
{
        struct mf_buffer buffer = { 0 };
        size_t *list = NULL, allocated = 0, moves = 0, list_moves = 0;

        (void) state;
        for (size_t i = 0; i < 1000000; i++) {
                size_t before = buffer.allocated, list_before = allocated;
                assert_int_equal(mf_buffer_add(&buffer, "x", 1), 0);
                size_t *grown = mf_grow(list, i, &allocated, sizeof(*list));
                assert_non_null(grown);
                list = grown;
                list[i] = i;
                moves += buffer.allocated != before;
                list_moves += allocated != list_before;
        }
        assert_uint_in_range(moves, 5, 40);
        assert_uint_in_range(list_moves, 5, 40);
        for (size_t i = 0; i < 1000000; i++)
                assert_int_equal(list[i], i);
        mf_buffer_clear(&buffer);
        free(list);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bytes_are_appended),
                cmocka_unit_test(growth_is_geometric),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
