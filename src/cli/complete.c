/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/named.h"
#include "util/escape.h"
#include "util/macro.h"

/* What is known when the last word is completed. */
struct point {
        const struct tool_command *command;
        const char *word;                   /* what is there of the last word */
        const struct tool_option *value_of; /* the option whose value the word is, or NULL */
        const char *state;                  /* what --state has */
        size_t n_operands;                  /* before the word */
        int is_program;                     /* the word belongs to a program, of which mayfly knows nothing */
};

/* Prints a candidate if it begins as the word does, with what comes before it, and a description, which may be NULL. */
static void offer(const char *begin, const char *candidate, const char *word, const char *description)
{
        if (strncmp(candidate, word, strlen(word)) != 0)
                return;
        printf("%s%s", begin, candidate);
        if (description)
                printf("\t%s", description);
        putchar('\n');
}

static void offer_names(const char *word, const char *state)
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };

        if (tool_list_named(state, &list) < 0)
                return;
        for (size_t i = 0; i < list.n; i++) {
                mf_cleanup(mf_freep) char *escaped = mf_escape_dup(list.entries[i].name);
                if (escaped)
                        offer("", escaped, word, "container");
        }
}

static void offer_value(const struct tool_option *option, const char *begin, const char *word)
{
        for (size_t i = 0; option->kind == TOOL_WORD && option->words[i]; i++)
                offer(begin, option->words[i], word, NULL);
        if (option->kind != TOOL_TEXT && option->kind != TOOL_LIST)
                return;
        if (strstr(option->value, "DIRECTORY"))
                puts(":directories");
        else if (strstr(option->value, "FILE") || strncmp(option->value, "SOURCE", 6) == 0)
                puts(":files");
}

static void offer_options(const struct tool_command *command, const char *word)
{
        char name[80];

        for (const struct tool_option *option = command->options; option->name; option++) {
                snprintf(name, sizeof(name), "--%s", option->name);
                offer("", name, word, option->help);
        }
        offer("", "--help", word, "print this");
}

/* Whether the synopsis has the word. */
static int has_word(const char *synopsis, const char *word)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ-";
        const size_t n = strlen(word);

        for (const char *at = strstr(synopsis, word); at; at = strstr(at + n, word))
                if ((at == synopsis || !strchr(letters, at[-1])) && (!at[n] || !strchr(letters, at[n])))
                        return 1;
        return 0;
}

static void offer_operands(const struct point *point)
{
        static const char *const actions[] = { "ls", "inspect", "cut", "mend", "disconnect", "connect", NULL };
        static const char *const files[] = { "FILE", "IMAGE", "ROOTFS", "OUTPUT", "TARGET", "KEYFILE", NULL };
        const struct tool_command *command = point->command;
        const int is_later = command == &tool_up || command == &tool_cp;

        for (size_t i = 0; command == &tool_network && point->n_operands == 0 && actions[i]; i++)
                offer("", actions[i], point->word, NULL);
        if (command == &tool_network && point->n_operands == 0)
                return;
        if (has_word(command->synopsis, "NAME") && (command->more_operands > 0 || point->n_operands == 0) &&
            !(command == &tool_port && point->n_operands > 0))
                offer_names(point->word, point->state);
        for (size_t i = 0; files[i]; i++)
                if (has_word(command->synopsis, files[i]) && (is_later || !has_word(command->synopsis, "NAME"))) {
                        puts(":files");
                        return;
                }
}

/* --- the command line so far --- */

static const struct tool_option *find(const struct tool_command *command, const char *word)
{
        const size_t n = strcspn(word, "=");

        for (const struct tool_option *option = command->options; option->name; option++)
                if (strncmp(word, "--", 2) == 0 && n == strlen(option->name) + 2 &&
                    strncmp(option->name, word + 2, n - 2) == 0)
                        return option;
        if (word[0] != '-' || word[1] == '-' || !word[1])
                return NULL;
        /* Letters that are joined: the last one's value comes next. */
        for (const struct tool_option *option = command->options; option->name; option++)
                if (option->letter && option->letter == word[strlen(word) - 1])
                        return option;
        return NULL;
}

/* Takes one word before the last one. Bash makes three words of --NAME=VALUE. */
static void take(struct point *point, const char *word)
{
        const struct tool_option *option = NULL;

        if (point->is_program || strcmp(word, "=") == 0)
                return;
        if (point->value_of) {
                if (strcmp(point->value_of->name, "state") == 0)
                        point->state = word;
                point->value_of = NULL;
        } else if (strcmp(word, "--") == 0) {
                point->is_program = 1;
        } else if (*word == '-' && word[1]) {
                option = find(point->command, word);
                const char *equals = strchr(word, '=');
                if (option && equals && strcmp(option->name, "state") == 0)
                        point->state = equals + 1;
                if (option && option->kind != TOOL_FLAG && !equals)
                        point->value_of = option;
        } else {
                point->n_operands++;
                point->is_program = point->command->ends_at_operand;
        }
}

static void complete_command(const char *word)
{
        for (const struct tool_command *const *command = tool_commands; *command; command++)
                offer("", (*command)->name, word, (*command)->summary);
        offer("", "--help", word, "print this");
        offer("", "--version", word, "print the version");
}

static void complete_word(const struct point *point)
{
        const char *equals = strchr(point->word, '=');
        const struct tool_option *option = *point->word == '-' && equals ? find(point->command, point->word) : NULL;
        char begin[80];

        if (point->is_program)
                return;
        if (point->value_of) {
                offer_value(point->value_of, "", point->word + (*point->word == '='));
        } else if (option) {
                snprintf(begin, sizeof(begin), "--%s=", option->name);
                offer_value(option, begin, equals + 1);
        } else if (*point->word == '-') {
                offer_options(point->command, point->word);
        } else {
                offer_operands(point);
        }
}

int tool_complete(char *const *words)
{
        struct point point = { .word = "" };
        size_t n = 0;

        while (words[n])
                n++;
        if (n < 2) {
                complete_command(n > 0 ? words[0] : "");
                return 0;
        }
        for (const struct tool_command *const *command = tool_commands; *command; command++)
                if (strcmp((*command)->name, words[0]) == 0)
                        point.command = *command;
        if (!point.command)
                return 0;
        for (size_t i = 1; i + 1 < n; i++)
                take(&point, words[i]);
        point.word = words[n - 1];
        complete_word(&point);
        return 0;
}
