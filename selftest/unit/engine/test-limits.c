/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include <mayfly/container.h>

#include "engine/limits.h"

/* The limits of a container: the spec's, the image's, and the defaults. */

#define MIB (UINT64_C(1) << 20)

static uint64_t half;

static int find_half(void **state)
{
        (void) state;
        half = (uint64_t) sysconf(_SC_PHYS_PAGES) * (uint64_t) sysconf(_SC_PAGESIZE) / 2;
        return half > 64 * MIB ? 0 : -1;
}

static struct mf_limits combine(uint64_t of_image, uint64_t of_spec, unsigned tasks)
{
        const struct mf_isolation isolation = { .memory_max = of_image };
        struct mf_limits limits;

        mf_limits_combine(&isolation, of_spec, tasks, &limits);
        return limits;
}

static void memory_is(uint64_t of_image, uint64_t of_spec, uint64_t expected, enum mf_limit_origin origin)
{
        struct mf_limits limits = combine(of_image, of_spec, 0);

        assert_true(limits.memory_max == expected);
        assert_int_equal(limits.memory_origin, origin);
}

static void memory_has_half_by_default(void **state)
{
        (void) state;
        memory_is(0, 0, half, MF_LIMIT_OF_DEFAULT);
        memory_is(0, 32 * MIB, 32 * MIB, MF_LIMIT_OF_SPEC);
        memory_is(0, half + MIB, half + MIB, MF_LIMIT_OF_SPEC);
        memory_is(0, MAYFLY_MEMORY_UNLIMITED, 0, MF_LIMIT_OF_DEFAULT);
}

static void an_image_only_lowers_the_limit(void **state)
{
        (void) state;
        memory_is(32 * MIB, 0, 32 * MIB, MF_LIMIT_OF_IMAGE);
        memory_is(half + MIB, 0, half, MF_LIMIT_OF_IMAGE);
        memory_is(UINT64_MAX, 0, half, MF_LIMIT_OF_IMAGE);
        memory_is(UINT64_MAX, MAYFLY_MEMORY_UNLIMITED, 0, MF_LIMIT_OF_IMAGE);
        memory_is(32 * MIB, 64 * MIB, 32 * MIB, MF_LIMIT_OF_SPEC);
        memory_is(64 * MIB, 32 * MIB, 32 * MIB, MF_LIMIT_OF_SPEC);
        memory_is(half + MIB, half + 2 * MIB, half + MIB, MF_LIMIT_OF_SPEC);
        memory_is(32 * MIB, MAYFLY_MEMORY_UNLIMITED, 32 * MIB, MF_LIMIT_OF_IMAGE);
}

static void tasks_are_4096_by_default(void **state)
{
        (void) state;
        assert_int_equal(combine(0, 0, 0).tasks_max, 4096);
        assert_int_equal(combine(0, 0, 0).tasks_origin, MF_LIMIT_OF_DEFAULT);
        assert_int_equal(combine(0, 0, 10000).tasks_max, 10000);
        assert_int_equal(combine(0, 0, 10000).tasks_origin, MF_LIMIT_OF_SPEC);
        assert_int_equal(combine(0, 0, MAYFLY_TASKS_UNLIMITED).tasks_max, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(memory_has_half_by_default),
                cmocka_unit_test(an_image_only_lowers_the_limit),
                cmocka_unit_test(tasks_are_4096_by_default),
        };

        return cmocka_run_group_tests(tests, find_half, NULL);
}
