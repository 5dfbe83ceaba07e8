/* SPDX-License-Identifier: MIT */
#include "cli/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/escape.h"
#include "util/macro.h"

/* How deep we are, and whether something was printed at each depth: there is one standard output. */
static unsigned depth;
static unsigned char has_some[16];
static int outermost_is_array;

static void print_string(const char *text)
{
        mf_cleanup(mf_freep) char *quoted = mf_json_quote_dup(text);

        if (!quoted)
                tool_oom();
        fputs(quoted, stdout);
}

/* Before a member or element: the comma, and the member's name. The elements of an outermost array are a line each. */
static void begin(const char *name)
{
        if (depth > 0 && has_some[depth])
                fputs(depth == 1 && outermost_is_array ? "," : ", ", stdout);
        if (depth == 1 && outermost_is_array)
                fputs("\n  ", stdout);
        has_some[depth] = 1;
        if (name) {
                print_string(name);
                fputs(": ", stdout);
        }
}

void tool_json_open(const char *name, char bracket)
{
        begin(name);
        if (depth == 0)
                outermost_is_array = bracket == '[';
        putchar(bracket);
        has_some[++depth] = 0;
}

void tool_json_close(char bracket)
{
        if (depth == 1 && outermost_is_array && has_some[depth])
                putchar('\n');
        putchar(bracket);
        if (--depth == 0)
                putchar('\n');
}

void tool_json_text(const char *name, const char *text)
{
        if (!text) {
                tool_json_null(name);
                return;
        }
        begin(name);
        print_string(text);
}

void tool_json_number(const char *name, int64_t number)
{
        begin(name);
        printf("%" PRId64, number);
}

void tool_json_bool(const char *name, int value)
{
        tool_json_verbatim(name, value ? "true" : "false");
}

void tool_json_null(const char *name)
{
        tool_json_verbatim(name, "null");
}

void tool_json_pairs(const char *name, const char *const *pairs)
{
        tool_json_open(name, '{');
        for (; pairs && *pairs; pairs++) {
                size_t length = strcspn(*pairs, "=");
                mf_cleanup(mf_freep) char *key = strndup(*pairs, length);
                if (!key)
                        tool_oom();
                tool_json_text(key, *pairs + length + ((*pairs)[length] == '='));
        }
        tool_json_close('}');
}

void tool_json_list(const char *name, const char *const *list)
{
        tool_json_open(name, '[');
        for (; list && *list; list++)
                tool_json_text(NULL, *list);
        tool_json_close(']');
}

/* NOLINTNEXTLINE(misc-no-recursion): no value of ours is deeper than has_some */
void tool_json_value(const char *name, const json_t *value)
{
        const char *key;
        json_t *item;
        size_t i;

        switch (json_typeof(value)) {
        case JSON_OBJECT:
                tool_json_open(name, '{');
                json_object_foreach((json_t *) (uintptr_t) value, key, item) {
                        tool_json_value(key, item);
                }
                tool_json_close('}');
                break;
        case JSON_ARRAY:
                tool_json_open(name, '[');
                json_array_foreach(value, i, item) {
                        tool_json_value(NULL, item);
                }
                tool_json_close(']');
                break;
        case JSON_STRING:
                tool_json_text(name, json_string_value(value));
                break;
        case JSON_INTEGER:
                tool_json_number(name, json_integer_value(value));
                break;
        case JSON_TRUE:
        case JSON_FALSE:
                tool_json_bool(name, json_is_true(value));
                break;
        default:
                tool_json_null(name);
        }
}

void tool_json_verbatim(const char *name, const char *json)
{
        begin(name);
        for (size_t n; *json; json += n) {
                char one[8] = "", quoted[32];
                int32_t code;
                n = mf_utf8_next(json, &code);
                if (mf_is_printable(code) || code == '\n') {
                        fwrite(json, 1, n, stdout);
                        continue;
                }
                /* Such characters stand in strings only, where they may as well be written as \uXXXX. */
                memcpy(one, json, n);
                size_t length = mf_json_quote(quoted, sizeof(quoted), one);
                fwrite(quoted + 1, 1, length - 2, stdout);
        }
}
