/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/show.h"
#include "support/cmocka-versions.h"
#include "util/error.h"
#include "util/escape.h"

static const char nasty[] = "a\x1b[31m\r\n\x7f"
                            "\xc2\x9b"     /* a C1 control */
                            "\xe2\x80\xae" /* the right-to-left override */
                            "\xe2\x80\xa8" /* the line separator */
                            "\xff"         /* no UTF-8 */
                            "\xc3\xa9z";

static void assert_printable(const char *text)
{
        int32_t code;

        for (size_t n; *text; text += n) {
                n = mf_utf8_next(text, &code);
                assert_true(mf_is_printable(code));
        }
}

static void no_stage_lets_controls_through(void **state)
{
        (void) state;
        for (int stage = MAYFLY_STAGE_NONE; strcmp(mayfly_stage_name((enum mayfly_stage) stage), "unknown") != 0;
             stage++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                mf_error_set(&err, -EINVAL, (enum mayfly_stage) stage, "the value \"%s\"", nasty);
                assert_printable(err.message);
                assert_non_null(strstr(err.message, "a\\033[31m"));
                assert_non_null(strstr(err.message, "\xc3\xa9z\""));
        }
}

static void what_is_too_long_is_cut(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char text[sizeof(err.message) + 100];

        (void) state;
        memset(text, '\x01', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        mf_error_set_errno(&err, -ENOENT, MAYFLY_STAGE_STORE, "%s", text);
        assert_printable(err.message);
        assert_uint_in_range(strlen(err.message), sizeof(err.message) - 8, sizeof(err.message) - 1);
}

static void urls_are_shown_without_controls(void **state)
{
        char shown[MF_SHOWN_MAX];

        (void) state;
        mf_show_url(shown, nasty, 0);
        assert_printable(shown);
        assert_non_null(strstr(shown, "\xc3\xa9z"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(no_stage_lets_controls_through),
                cmocka_unit_test(what_is_too_long_is_cut),
                cmocka_unit_test(urls_are_shown_without_controls),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
