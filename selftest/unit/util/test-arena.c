/* SPDX-License-Identifier: MIT */

/* Memory that is freed all at once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/arena.h"

static void copies_last(void **state)
{
        char word[] = "first", other[] = "second";
        const char *const list[] = { word, other, NULL };
        struct mf_arena arena = { 0 };

        (void) state;
        const char *string = mf_arena_string(&arena, word);
        const char *const *strings = mf_arena_strings(&arena, list);
        memset(word, 'x', sizeof(word) - 1);
        memset(other, 'x', sizeof(other) - 1);
        assert_string_equal(string, "first");
        assert_string_equal(strings[0], "first");
        assert_string_equal(strings[1], "second");
        assert_null(strings[2]);
        assert_null(mf_arena_string(&arena, NULL));
        assert_null(mf_arena_strings(&arena, NULL));
        assert_int_equal(arena.failed, 0);
        mf_arena_clear(&arena);
        mf_arena_clear(&arena);
        assert_null(arena.last);
}

static void memory_is_zero_and_for_any_type(void **state)
{
        static const unsigned char zero[4096];
        struct mf_arena arena = { 0 };

        (void) state;
        for (size_t size = 1; size <= sizeof(zero); size *= 2) {
                void *memory = mf_arena_get(&arena, size);
                assert_int_equal((uintptr_t) memory % _Alignof(max_align_t), 0);
                assert_memory_equal(memory, zero, size);
                memset(memory, 'x', size);
        }
        mf_arena_clear(&arena);
}

/* AddressSanitizer ends the program otherwise. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "allocator_may_return_null=1";
}

static void want_of_memory_is_told(void **state)
{
        struct mf_arena arena = { 0 };

        (void) state;
        assert_null(mf_arena_get(&arena, PTRDIFF_MAX - 64));
        assert_int_equal(arena.failed, 1);
        mf_arena_clear(&arena);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(copies_last),
                cmocka_unit_test(memory_is_zero_and_for_any_type),
                cmocka_unit_test(want_of_memory_is_told),
        };

        return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
