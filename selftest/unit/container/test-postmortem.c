/* SPDX-License-Identifier: MIT */

/* What a message shows of the end of a log. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "container/logs.h"
#include "container/postmortem.h"

#define TEXT "it is not ready"

static void explain(const char *written, struct mayfly_error *err)
{
        struct mf_log log = MF_LOG_NONE;
        static const struct mf_reports reports;

        assert_int_equal(mf_log_create(&log, 65536, 0), 0);
        mf_log_append(&log, written, strlen(written), MF_LOG_OUTPUT);
        const struct mf_facts facts = { .machine = "m", .reports = &reports, .log = &log, .boot_log = -1 };
        *err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mf_explain_wait(&facts, -1, MAYFLY_STAGE_START, TEXT, err), -1);
        mf_log_close(&log);
}

static void lines_are_shown_safely(void **state)
{
        struct mayfly_error err;

        (void) state;
        explain("one\ttwo\n\033[31mred\a\n\nlast \xff\n\n", &err);
        assert_string_equal(err.message,
                            TEXT "; its output ends with:\n  | one two\n  | \\033[31mred\\007\n  | \n  | last \\377");
        explain("no line end", &err);
        assert_string_equal(err.message, TEXT "; its output ends with:\n  | no line end");
        explain("", &err);
        assert_string_equal(err.message, TEXT "; its output is empty");
}

static void the_last_lines_count(void **state)
{
        static char many[60000];
        struct mayfly_error err;
        size_t used = 0;

        (void) state;
        for (int i = 0; i < 3000; i++)
                used += (size_t) snprintf(many + used, sizeof(many) - used, "line %d.\n", i);
        explain(many, &err);
        const char *end = "\n  | line 2998.\n  | line 2999.";
        assert_string_equal(err.message + strlen(err.message) - strlen(end), end);
        for (const char *line = err.message; (line = strstr(line, "\n  | ")); line++)
                assert_memory_equal(line, "\n  | line ", strlen("\n  | line "));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lines_are_shown_safely),
                cmocka_unit_test(the_last_lines_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
