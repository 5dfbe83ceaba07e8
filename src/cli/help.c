/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "cli/options.h"

#define WIDTH 80U

/* Prints a paragraph with its lines broken at `width`, all but the first indented; the first begins at `column`. */
static void print_wrapped(const char *text, unsigned indent, unsigned column, unsigned width)
{
        while (*text) {
                size_t word = strcspn(text, " ");
                if (column > indent && column + 1 + word > width) {
                        printf("\n%*s", (int) indent, "");
                        column = indent;
                } else if (column > indent) {
                        putchar(' ');
                        column++;
                }
                fwrite(text, 1, word, stdout);
                column += (unsigned) word;
                text += word;
                text += strspn(text, " ");
        }
        putchar('\n');
}

#define NAME_MAX_LENGTH 64U

/* What is printed for an option before its text: "  -q, --quiet" or "      --store=DIRECTORY". Returns its length. */
static unsigned write_name(char ret[NAME_MAX_LENGTH], const struct tool_option *option)
{
        char letter[8] = "    ";

        if (option->letter)
                snprintf(letter, sizeof(letter), "-%c, ", option->letter);
        int n = snprintf(ret, NAME_MAX_LENGTH, "  %s--%s%s%s", letter, option->name, option->value ? "=" : "",
                         option->value ? option->value : "");
        return n > 0 ? (unsigned) n : 0;
}

static void print_option(const struct tool_option *option, unsigned indent)
{
        char name[NAME_MAX_LENGTH];

        write_name(name, option);
        printf("%-*s", (int) indent, name);
        print_wrapped(option->help, indent, indent, WIDTH);
}

static void print_usage(const struct tool_command *command)
{
        const char *title = "Usage:", *line = command->synopsis;

        do {
                size_t n = strcspn(line, "\n");
                printf("%-6s mayfly %s%s%.*s\n", title, command->name, n > 0 ? " " : "", (int) n, line);
                line += n + (line[n] == '\n');
                title = "";
        } while (*line);
}

static void print_description(const char *text)
{
        char paragraph[1024];

        while (*text) {
                size_t n = strcspn(text, "\n");
                snprintf(paragraph, sizeof(paragraph), "%.*s", (int) n, text);
                printf("\n");
                print_wrapped(paragraph, 0, 0, WIDTH);
                text += n + (text[n] == '\n');
        }
}

void tool_help(const struct tool_command *command)
{
        static const struct tool_option help = { .name = "help", .letter = 'h', .help = "print this" };
        char name[NAME_MAX_LENGTH];
        unsigned indent = 0;

        print_usage(command);
        print_description(command->description);
        for (const struct tool_option *option = command->options; option->name; option++) {
                unsigned n = write_name(name, option) + 2;
                indent = n > indent ? n : indent;
        }
        unsigned least = write_name(name, &help) + 2;
        indent = least > indent ? least : indent;
        printf("\n");
        for (const struct tool_option *option = command->options; option->name; option++)
                print_option(option, indent);
        print_option(&help, indent);
        printf("\nExit status: ");
        print_wrapped(command->exit_status, 13, 13, WIDTH);
}
