/* SPDX-License-Identifier: MIT */
/* Whatever bytes a text has, what is printed is harmless, and the JSON valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "util/escape.h"

static void test_characters_are_decoded(void **state)
{
        static const struct {
                const char *text;
                size_t length;
                int32_t code;
        } cases[] = {
                { "a", 1, 'a' },
                { "\x7f", 1, 0x7f },
                { "\u00e4b", 2, 0xe4 },
                { "\u20ac", 3, 0x20ac },
                { "\uffff", 3, 0xffff },
                { "\U0001f600", 4, 0x1f600 },
                { "\U0010ffff", 4, 0x10ffff },
                /* a byte alone, cut characters, longer forms than needed, surrogates, beyond Unicode */
                { "\x80", 1, -1 },
                { "\xbf\xbf", 1, -1 },
                { "\xc3", 1, -1 },
                { "\xc3(", 1, -1 },
                { "\xe2\x82", 1, -1 },
                { "\xf0\x9f\x98", 1, -1 },
                { "\xc0\x80", 1, -1 },
                { "\xc1\xbf", 1, -1 },
                { "\xe0\x9f\xbf", 1, -1 },
                { "\xf0\x8f\xbf\xbf", 1, -1 },
                { "\xed\xa0\x80", 1, -1 },
                { "\xed\xbf\xbf", 1, -1 },
                { "\xf4\x90\x80\x80", 1, -1 },
                { "\xf8\x88\x80\x80\x80", 1, -1 },
                { "\xfe", 1, -1 },
                { "\xff", 1, -1 },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                int32_t code = -2;
                assert_int_equal(mf_utf8_next(cases[i].text, &code), cases[i].length);
                assert_int_equal(code, cases[i].code);
        }
}

static void test_text_is_escaped(void **state)
{
        static const struct {
                const char *text, *escaped, *json;
        } cases[] = {
                { "", "", "\"\"" },
                { "plain caf\u00e9 \u65e5\u672c \U0001f600", "plain caf\u00e9 \u65e5\u672c \U0001f600",
                  "\"plain caf\u00e9 \u65e5\u672c \U0001f600\"" },
                { "a\tb\nc", "a\\011b\\012c", "\"a\\u0009b\\u000ac\"" },
                { "\033[31mred", "\\033[31mred", "\"\\u001b[31mred\"" },
                { "\x7f", "\\177", "\"\\u007f\"" },
                { "\xc2\x85\xc2\x9b", "\\302\\205\\302\\233", "\"\\u0085\\u009b\"" }, /* C1: NEL, CSI */
                { "\x9b", "\\233", "\"\ufffd\"" },                                    /* CSI in Latin-1 */
                { "\u202egnp.exe", "\\342\\200\\256gnp.exe", "\"\\u202egnp.exe\"" },
                { "\u2066x\u2069", "\\342\\201\\246x\\342\\201\\251", "\"\\u2066x\\u2069\"" },
                { "\u200e\u061c", "\\342\\200\\216\\330\\234", "\"\\u200e\\u061c\"" },
                { "a\u2028b\u2029", "a\\342\\200\\250b\\342\\200\\251", "\"a\\u2028b\\u2029\"" },
                { "\ufeffa\u200b", "\\357\\273\\277a\\342\\200\\213", "\"\\ufeffa\\u200b\"" },
                { "\ufffe\uffff\ufffd", "\\357\\277\\276\\357\\277\\277\ufffd", "\"\\ufffe\\uffff\ufffd\"" },
                { "\U000e0041", "\\363\\240\\201\\201", "\"\\udb40\\udc41\"" },
                { "\xff\xfe", "\\377\\376", "\"\ufffd\ufffd\"" },
                { "a\"b\\c/", "a\"b\\c/", "\"a\\\"b\\\\c/\"" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                char *escaped = mf_escape_dup(cases[i].text), *json = mf_json_quote_dup(cases[i].text);
                assert_string_equal(escaped, cases[i].escaped);
                assert_string_equal(json, cases[i].json);
                free(escaped);
                free(json);
        }
}

/* Whole characters or nothing, whatever the room is. */
static void test_what_does_not_fit_is_cut(void **state)
{
        static const char text[] = "\u00e4\nb\u202e", all[] = "\u00e4\\012b\\342\\200\\256";
        static const size_t ends[] = { 0, 2, 6, 7, 19 }; /* where a character ends */

        (void) state;
        for (size_t size = 0; size <= sizeof(all); size++) {
                char room[sizeof(all) + 1];
                size_t fits = 0;
                memset(room, '#', sizeof(room));
                assert_int_equal(mf_escape(room, size, text), strlen(all));
                for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
                        if (ends[i] < size)
                                fits = ends[i];
                if (size > 0) {
                        assert_int_equal(strlen(room), fits);
                        assert_memory_equal(room, all, fits);
                }
                assert_int_equal(room[size], '#');
        }
}

/* What a shell makes of the word is the text. */
static void test_a_shell_reads_the_text(void **state)
{
        static const struct {
                const char *text, *quoted;
        } cases[] = {
                { "", "''" },
                { "/usr/bin/x-1.2_3@a:b,c%d+e=f", "/usr/bin/x-1.2_3@a:b,c%d+e=f" },
                { "two words", "'two words'" },
                { "$HOME`x`\"*\\", "'$HOME`x`\"*\\'" },
                { "it's", "'it'\\''s'" },
                { "'", "''\\'''" },
                { "\u00e4", "'\u00e4'" },
                { "a\nb\tc'd\\e", "$'a\\nb\\tc\\'d\\\\e'" },
                { "\033[1m\377", "$'\\033[1m\\377'" },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
                char quoted[80], line[128], read[80] = "";
                assert_int_equal(mf_shell_quote(quoted, sizeof(quoted), cases[i].text), strlen(cases[i].quoted));
                assert_string_equal(quoted, cases[i].quoted);
                snprintf(line, sizeof(line), "printf %%s %s", quoted);
                setenv("LINE", line, 1);
                FILE *shell = popen("exec bash -c \"$LINE\"", "r");
                assert_non_null(shell);
                read[fread(read, 1, sizeof(read) - 1, shell)] = '\0';
                assert_int_equal(pclose(shell), 0);
                assert_string_equal(read, cases[i].text);
        }
}

/* Of every sequence of two bytes, with something around it. */
static void test_any_bytes_make_valid_json(void **state)
{
        (void) state;
        for (unsigned a = 1; a < 256; a++)
                for (unsigned b = 1; b < 256; b++) {
                        const char text[] = { 'x', (char) a, (char) b, '\xe2', '\x80', '\xae', (char) a, '\0' };
                        char quoted[80], escaped[80];
                        assert_true(mf_json_quote(quoted, sizeof(quoted), text) < sizeof(quoted));
                        json_t *parsed = json_loads(quoted, JSON_DECODE_ANY, NULL);
                        assert_non_null(parsed);
                        json_decref(parsed);
                        mf_escape(escaped, sizeof(escaped), text);
                        int32_t code;
                        for (const char *p = escaped; *p; p += mf_utf8_next(p, &code))
                                assert_true(mf_utf8_next(p, &code) > 0 && mf_is_printable(code));
                }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_characters_are_decoded),    cmocka_unit_test(test_text_is_escaped),
                cmocka_unit_test(test_what_does_not_fit_is_cut),  cmocka_unit_test(test_a_shell_reads_the_text),
                cmocka_unit_test(test_any_bytes_make_valid_json),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
