/* SPDX-License-Identifier: MIT */

/* What a text ends in. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/text.h"

static void an_ending_is_found(void **state)
{
        const char *name = "a.json.json";

        (void) state;
        assert_ptr_equal(mf_ending(name, ".json"), name + 6);
        assert_ptr_equal(mf_ending(name, name), name);
        assert_ptr_equal(mf_ending(name, ""), name + 11);
        assert_null(mf_ending(name, ".jso"));
        assert_null(mf_ending(name, ".JSON"));
        assert_null(mf_ending("son", ".json"));
        assert_null(mf_ending("", ".json"));
}

static void an_ending_alone_is_no_name(void **state)
{
        (void) state;
        assert_true(mf_has_ending("a.json", ".json"));
        assert_false(mf_has_ending(".json", ".json"));
        assert_false(mf_has_ending("a.jsonx", ".json"));
        assert_false(mf_has_ending("", ".json"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_ending_is_found),
                cmocka_unit_test(an_ending_alone_is_no_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
