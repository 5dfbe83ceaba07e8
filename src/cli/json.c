/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

/* What the library hands out is UTF-8. */
void tool_json_string(const char *text)
{
        putchar('"');
        for (; *text; text++) {
                if (*text == '"' || *text == '\\')
                        printf("\\%c", *text);
                else if ((unsigned char) *text < ' ')
                        printf("\\u%04x", (unsigned) *text);
                else
                        putchar(*text);
        }
        putchar('"');
}

void tool_json_pairs(const char *const *labels)
{
        const char *comma = "";

        printf("{");
        for (; labels && *labels; labels++, comma = ", ") {
                const char *value = strchr(*labels, '=') + 1;
                printf("%s\"%.*s\": ", comma, (int) (value - 1 - *labels), *labels);
                tool_json_string(value);
        }
        printf("}");
}

void tool_print_text(const char *text)
{
        for (; *text; text++)
                putchar((unsigned char) *text < ' ' || *text == 0x7f ? '?' : *text);
}

void tool_print_list(const char *const *list, const char *between)
{
        for (const char *mark = ""; list && *list; list++, mark = between) {
                fputs(mark, stdout);
                tool_print_text(*list);
        }
}
