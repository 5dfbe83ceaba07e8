/* SPDX-License-Identifier: MIT */

/* Which tags of a page count: those that a browser makes elements of, and shows to nobody. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fetch/tags.h"

#define TAG "<meta name=ac-discovery content='a.example https://a.example/x.aci'>"
#define OTHER "<meta name=ac-discovery content='b.example https://b.example/x.aci'>"

/* How many tags a page has, all of them TAG's. */
static size_t count(const char *html, size_t size)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };

        assert_int_equal(mf_tags_parse(&tags, html, size, &err), 0);
        size_t n = tags.n;
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(tags.list[i].prefix, "a.example");
                assert_string_equal(tags.list[i].template, "https://a.example/x.aci");
                assert_int_equal(tags.list[i].of_keys, 0);
        }
        mf_tags_clear(&tags);
        return n;
}

static void what_a_browser_takes_for_something_else_does_not_count(void **state)
{
        static const char *const pages[] = {
                "<textarea>" OTHER "</textarea>" TAG,
                "<title>" OTHER "</title>" TAG,
                "<iframe>" OTHER "</iframe>" TAG,
                "<xmp>" OTHER "</xmp>" TAG,
                "<noscript>" OTHER "</noscript>" TAG,
                "<body><noscript>" OTHER "</noscript>" TAG,
                "<noframes>" OTHER "</noframes>" TAG,
                "<body><noframes>" OTHER "</noframes>" TAG,
                "<noembed>" OTHER "</noembed>" TAG,
                "<script>" OTHER "</script>" TAG,
                "<script><!--<script>" OTHER "</script>" OTHER "--></script>" TAG,
                "<style>" OTHER "</style>" TAG,
                "<template>" OTHER "</template>" TAG,
                "<!--" OTHER "-->" TAG,
                "<!--" OTHER "--!>" TAG,
                "<!-- <!--" OTHER "-->" TAG,
                "<svg><![CDATA[" OTHER "]]></svg>" TAG,
                "<math><![CDATA[ > " OTHER "]]></math>" TAG,
                "<![CDATA[" OTHER TAG,
                "<?php " OTHER TAG,
                "<!DOCTYPE " OTHER TAG,
                "</p " OTHER TAG,
                "<p title=\"" OTHER "\">" TAG,
                "<select>" OTHER "</select>" TAG,
                TAG "<plaintext>" OTHER "</plaintext>" OTHER,
                TAG "<textarea>" OTHER,
                TAG "<title>" OTHER,
                TAG "<!-- " OTHER,
        };

        (void) state;
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
                size_t n = count(pages[i], strlen(pages[i]));
                if (n != 1)
                        fail_msg("%s has %zu tags", pages[i], n);
        }
}

static void nothing_hides_a_tag(void **state)
{
        static const char nul[] = "<p>\0</p>" TAG "\0" TAG;
        static const char nul_in_tag[] = "<p\0 x\0=\0>" TAG;
        static const char *const pages[] = {
                "<!-->" TAG,
                "<!--->" TAG,
                "<!>" TAG,
                "</>" TAG,
                "<>" TAG,
                "< meta>" TAG,
                "<p" TAG TAG,
                "<svg>" TAG,
                "<table>" TAG,
                "<frame>" TAG,
                "<b><i></b>" TAG,
                "<object><video>" TAG,
                "<!-- x -- y -->" TAG,
                "<?xml?>" TAG,
                "&#0;&#xd800;" TAG,
                "<title></title>" TAG,
        };

        (void) state;
        assert_int_equal(count(nul, sizeof(nul) - 1), 2);
        assert_int_equal(count(nul_in_tag, sizeof(nul_in_tag) - 1), 1);
        for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
                size_t n = count(pages[i], strlen(pages[i]));
                if (n != 1)
                        fail_msg("%s has %zu tags", pages[i], n);
        }
}

static void of_a_doubled_attribute_the_first_counts(void **state)
{
        static const char page[] = "<meta name=ac-discovery name=other content='a.example https://a.example/x.aci' "
                                   "CONTENT='b.example https://b.example/x.aci'>"
                                   "<meta name=other name=ac-discovery content='b.example https://b.example/x.aci'>";

        (void) state;
        assert_int_equal(count(page, sizeof(page) - 1), 1);
}

static char *repeat(const char *text, size_t times, size_t *ret_size)
{
        size_t length = strlen(text);
        char *all = malloc(length * times + 1);

        assert_non_null(all);
        for (size_t i = 0; i < times; i++)
                memcpy(all + i * length, text, length);
        *ret_size = length * times;
        return all;
}

/* Half a megabyte that is made to be deep, or to make a parser repeat itself. */
static void purpose_made_pages_end(void **state)
{
        static const char *const bits[] = { "<div>", "<svg>", "<table>", "<a><p>", "<template>", "<select>" };
        size_t size;

        (void) state;
        for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                struct mf_tags tags = { 0 };
                char *page = repeat(bits[i], (512U << 10) / strlen(bits[i]), &size);
                if (mf_tags_parse(&tags, page, size, &err) < 0)
                        assert_int_equal(err.code, -EBADMSG);
                assert_int_equal(tags.n, 0);
                mf_tags_clear(&tags);
                free(page);
        }
}

static void a_page_that_takes_much_memory_is_refused(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };
        char *page = malloc(512U << 10);
        size_t n = 0;

        (void) state;
        assert_non_null(page);
        /* Each paragraph opens all of these again. */
        n += (size_t) sprintf(page, "<p>");
        for (unsigned i = 0; n < 40000; i++)
                n += (size_t) sprintf(page + n, "<b x=%u>", i);
        while (n < (512U << 10) - 8)
                n += (size_t) sprintf(page + n, "<p>x");
        assert_int_equal(mf_tags_parse(&tags, page, n, &err), -EBADMSG);
        assert_non_null(strstr(err.message, "takes more than"));
        free(page);
}

static void too_many_tags_are_refused(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_tags tags = { 0 };
        size_t size;
        char *page = repeat(TAG, 1001, &size);

        (void) state;
        assert_int_equal(mf_tags_parse(&tags, page, size, &err), -EBADMSG);
        assert_non_null(strstr(err.message, "more than 1000"));
        assert_int_equal(count(page, size - strlen(TAG)), 1000);
        free(page);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_a_browser_takes_for_something_else_does_not_count),
                cmocka_unit_test(nothing_hides_a_tag),
                cmocka_unit_test(of_a_doubled_attribute_the_first_counts),
                cmocka_unit_test(purpose_made_pages_end),
                cmocka_unit_test(a_page_that_takes_much_memory_is_refused),
                cmocka_unit_test(too_many_tags_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
