/* SPDX-License-Identifier: MIT */

/* The parts of src/ready/ that need no container. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ready/order.h"
#include "ready/pace.h"
#include "ready/regex.h"
#include "ready/status-set.h"

/* --- regular expressions ------------------------------------------------------------------------------------------ */

static void a_mistake_has_a_place(void **state)
{
        static const struct {
                const char *pattern;
                unsigned place;
        } cases[] = {
                { "a(b", 2 },    { "x[b-a]y", 2 },   { "ab\\", 3 },     { "a(b[c", 4 },  { "[[:foo:]]", 1 },
                { "a{2,1}", 2 }, { "a{1", 2 },       { "*a", 1 },       { "(ok|no", 1 }, { "(a|b(c)", 1 },
                { "\\1", 1 },    { "\xc3\xa9(", 2 }, { "ok|(a))(", 8 },
        };
        char text[40];

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                regex_t regex;
                assert_int_equal(mf_regex_compile(&regex, cases[i].pattern, &err), -EINVAL);
                snprintf(text, sizeof(text), "is wrong at character %u, ", cases[i].place);
                if (!strstr(err.message, text))
                        fail_msg("no \"%s\" in \"%s\"", text, err.message);
        }
}

static void a_long_mistake_is_still_found(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char pattern[5000];
        regex_t regex;

        (void) state;
        memset(pattern, '(', sizeof(pattern) - 1);
        pattern[sizeof(pattern) - 1] = '\0';
        assert_int_equal(mf_regex_compile(&regex, pattern, &err), -EINVAL);
        assert_non_null(strstr(err.message, "does not compile"));
}

static void lines_match_as_bytes(void **state)
{
        regex_t regex;

        (void) state;
        assert_int_equal(mf_regex_compile(&regex, "^ready( now)?$", NULL), 0);
        assert_true(mf_regex_matches(&regex, "ready now", 9));
        assert_true(mf_regex_matches(&regex, "ready nowhere", 9)); /* only these bytes */
        assert_false(mf_regex_matches(&regex, "not ready", 9));
        regfree(&regex);
        assert_int_equal(mf_regex_compile(&regex, "end$", NULL), 0);
        assert_true(mf_regex_matches(&regex, "a\0the end", 9)); /* a NUL is a byte as any */
        regfree(&regex);
}

/* --- status codes ------------------------------------------------------------------------------------------------- */

static void sets_of_status_codes(void **state)
{
        static const char *const wrong[] = {
                "", "20", "2000", "200,", ",200", "200-", "299-200", "099", "200 204", "ok"
        };

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                if (mf_status_set_check(wrong[i], &err) != -EINVAL || !strstr(err.message, wrong[i]))
                        fail_msg("\"%s\" was taken", wrong[i]);
        }
        assert_int_equal(mf_status_set_check("200-299,404", NULL), 0);
        assert_int_equal(mf_status_set_check(NULL, NULL), 0);
        assert_true(mf_status_set_has("200-299,404", 204) && mf_status_set_has("200-299,404", 404));
        assert_false(mf_status_set_has("200-299,404", 300) || mf_status_set_has("200-299,404", 199));
        assert_true(mf_status_set_has(NULL, 200) && mf_status_set_has(NULL, 302) && !mf_status_set_has(NULL, 404));
}

/* --- order ---------------------------------------------------------------------------------------------------------- */

static void an_order_without_circles(void **state)
{
        struct mf_order order = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mf_order_add(&order, "web", " app ,cache"), 0);
        assert_int_equal(mf_order_add(&order, "app", "cache"), 0);
        assert_int_equal(mf_order_add(&order, "cache", NULL), 0);
        assert_int_equal(mf_order_add(&order, NULL, "web"), 0);
        assert_int_equal(mf_order_check(&order, &err), 0);
        assert_true(mf_order_is_after(&order, 0, 1) && mf_order_is_after(&order, 0, 2) &&
                    mf_order_is_after(&order, 3, 0));
        assert_false(mf_order_is_after(&order, 1, 0) || mf_order_is_after(&order, 2, 1) ||
                     mf_order_is_after(&order, 0, 3));
        assert_int_equal(mf_order_add(&order, "ca", "web"), 0); /* a part of a name is none */
        assert_int_equal(mf_order_check(&order, &err), 0);
        order.after[2] = "ca";
        assert_int_equal(mf_order_check(&order, &err), -EINVAL);
        assert_non_null(strstr(err.message, "\"web\" after \"app\" after \"cache\" after \"ca\" after \"web\""));
        mf_order_clear(&order);
}

/* --- pace ----------------------------------------------------------------------------------------------------------- */

static void many_waiters_look_less_often(void **state)
{
        (void) state;
        mf_pace_enter();
        assert_int_equal(mf_pace_pause_us(10, 0), 1000);
        assert_int_equal(mf_pace_pause_us(100, 0), 1600);
        assert_int_equal(mf_pace_pause_us(5000, 1), 10030);
        for (int i = 1; i < 64; i++)
                mf_pace_enter();
        assert_int_equal(mf_pace_pause_us(25, 0), 64 * 2 * 40);
        assert_int_equal(mf_pace_pause_us(1000000, 0), 100000);
        for (int i = 0; i < 64; i++)
                mf_pace_leave();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_mistake_has_a_place),    cmocka_unit_test(a_long_mistake_is_still_found),
                cmocka_unit_test(lines_match_as_bytes),     cmocka_unit_test(sets_of_status_codes),
                cmocka_unit_test(an_order_without_circles), cmocka_unit_test(many_waiters_look_less_often),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
