/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/image-id.h"
#include "model/isolators.h"

static void an_empty_list_is_a_list(void **state)
{
        struct mf_isolators none = { 0 }, copy;

        (void) state;
        assert_null(mf_isolators_list(&none)[0]);
        assert_int_equal(mf_isolators_copy(&none, &copy), 0);
        assert_null(mf_isolators_list(&copy)[0]);
        mf_isolators_clear(&copy);
}

static void a_list_grows_and_is_copied(void **state)
{
        struct mf_isolators list = { 0 }, copy = { 0 };
        char name[32];

        (void) state;
        for (unsigned i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "name-%u", i);
                assert_int_equal(mf_isolators_add(&list, i == 50 ? MF_ISOLATOR_CPU : MF_ISOLATOR_UNKNOWN, name,
                                                  MAYFLY_ISOLATOR_ENFORCED, NULL),
                                 0);
        }
        assert_int_equal(mf_isolators_copy(&list, &copy), 0);
        assert_int_equal(mf_isolators_note(&copy, MF_ISOLATOR_CPU, MAYFLY_ISOLATOR_CHANGED, "first"), 0);
        assert_int_equal(mf_isolators_note(&copy, MF_ISOLATOR_CPU, MAYFLY_ISOLATOR_IGNORED, "second"), 0);
        const struct mayfly_isolator *const *was = mf_isolators_list(&list), *const *is = mf_isolators_list(&copy);
        for (unsigned i = 0; i < 100; i++) {
                snprintf(name, sizeof(name), "name-%u", i);
                assert_string_equal(was[i]->name, name);
                assert_string_equal(is[i]->name, name);
                assert_null(was[i]->detail);
                assert_int_equal(is[i]->outcome, i == 50 ? MAYFLY_ISOLATOR_IGNORED : MAYFLY_ISOLATOR_ENFORCED);
        }
        assert_null(is[100]);
        assert_string_equal(is[50]->detail, "first; second");
        assert_true(mf_isolators_has(&list, MF_ISOLATOR_CPU));
        assert_false(mf_isolators_has(&list, MF_ISOLATOR_MEMORY));
        mf_isolators_clear(&list);
        mf_isolators_clear(&copy);
}

static void image_ids(void **state)
{
        char text[MF_ID_LENGTH + 2] = MF_ID_PREFIX, id[MF_ID_LENGTH + 1];

        (void) state;
        memset(text + MF_ID_PREFIX_LENGTH, 'a', MF_ID_DIGITS);
        assert_int_equal(mf_image_id_parse(text, id), 0);
        assert_string_equal(id, text);
        assert_true(mf_image_id_is_canonical(text));
        text[20] = 'B';
        text[0] = 'S';
        assert_int_equal(mf_image_id_parse(text, id), 0);
        assert_int_equal(id[20], 'b');
        assert_int_equal(id[0], 's');
        assert_false(mf_image_id_is_canonical(text));
        text[MF_ID_LENGTH] = 'a'; /* a digit too many */
        assert_int_not_equal(mf_image_id_parse(text, id), 0);
        text[MF_ID_LENGTH - 1] = '\0'; /* one too few */
        assert_int_not_equal(mf_image_id_parse(text, id), 0);
        text[MF_ID_LENGTH - 1] = 'g';
        text[MF_ID_LENGTH] = '\0';
        assert_int_not_equal(mf_image_id_parse(text, id), 0);
        assert_int_not_equal(mf_image_id_parse("sha256-", id), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(an_empty_list_is_a_list),
                cmocka_unit_test(a_list_grows_and_is_copied),
                cmocka_unit_test(image_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
