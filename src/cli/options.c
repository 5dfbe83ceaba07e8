/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/macro.h"
#include "util/nearest.h"
#include "util/strv.h"

#define FIRST_VALUE 256 /* getopt_long() returns this and the option's index; letters are below */

const char *const tool_signatures[] = { "required", "if-present", "off", NULL };

static const struct tool_option help = { .name = "help", .letter = 'h' };

/* The option that getopt_long() returned as `c`, or named in optopt. NULL for none. */
static const struct tool_option *find(const struct tool_command *command, int c)
{
        const struct tool_option *option = command->options;

        for (size_t i = 0; option->name; i++, option++)
                if (c == FIRST_VALUE + (int) i || (option->letter && c == option->letter))
                        return option;
        return c == help.letter ? &help : NULL;
}

/* --- values --- */

/* A number and one of the units; returns what is wrong with it, as a format for the text, or NULL. */
static const char *parse_amount(const char *text, const char *const *units, const uint64_t *factors, uint64_t *ret)
{
        char *end;

        errno = 0;
        uint64_t n = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9')
                return "is not a number";
        if (n == 0 && errno == 0)
                return "is not a number from 1 on";
        if (!*end)
                return "has no unit";
        size_t unit = 0;
        while (units[unit] && strcmp(units[unit], end) != 0)
                unit++;
        if (!units[unit])
                return "has a unit that is not known";
        return errno || __builtin_mul_overflow(n, factors[unit], ret) ? "is too large" : NULL;
}

static const char *parse_age(const char *text, uint64_t *ret)
{
        static const char *const units[] = { "s", "m", "h", "d", "w", NULL };
        static const uint64_t factors[] = { 1, 60, 3600, 86400, UINT64_C(7) * 86400 };

        return parse_amount(text, units, factors, ret);
}

#define KIB (UINT64_C(1) << 10)
const char *tool_parse_bytes(const char *text, uint64_t *ret)
{
        static const char *const units[] = { "B", "K", "KiB", "M", "MiB", "G", "GiB", "T", "TiB", NULL };
        static const uint64_t factors[] = { 1,
                                            KIB,
                                            KIB,
                                            KIB * KIB,
                                            KIB * KIB,
                                            KIB * KIB * KIB,
                                            KIB * KIB * KIB,
                                            KIB * KIB * KIB * KIB,
                                            KIB * KIB * KIB * KIB };

        return parse_amount(text, units, factors, ret);
}

static int take_word(const struct tool_command *command, const struct tool_option *option, const char *text, void *at)
{
        char valid[256] = "";

        for (size_t i = 0; option->words[i]; i++) {
                if (strcmp(option->words[i], text) == 0) {
                        *(int *) at = (int) (option->first + i);
                        return -1;
                }
                size_t n = strlen(valid);
                snprintf(valid + n, sizeof(valid) - n, "%s'%s'", i ? ", " : "", option->words[i]);
        }
        return tool_usage(command->name, "invalid argument '%s' for '--%s'; valid are %s", text, option->name, valid);
}

static int take_number(const struct tool_command *command, const struct tool_option *option, const char *text, void *at)
{
        unsigned most = option->first ? option->first : UINT_MAX;
        char *end;

        errno = 0;
        unsigned long n = strtoul(text, &end, 10);
        if (*text < '0' || *text > '9' || *end || errno || n > most)
                return tool_usage(command->name, "invalid argument '%s' for '--%s'; give a number from 0 to %u", text,
                                  option->name, most);
        *(unsigned *) at = (unsigned) n;
        return -1;
}

static int take_amount(const struct tool_command *command, const struct tool_option *option, const char *text, void *at)
{
        int age = option->kind == TOOL_AGE;
        const char *wrong = age ? parse_age(text, at) : tool_parse_bytes(text, at);

        if (!wrong)
                return -1;
        return tool_usage(command->name, "invalid argument '%s' for '--%s': it %s; %s", text, option->name, wrong,
                          age ? "write a number with s, m, h, d or w, such as 30d for 30 days"
                              : "write a number with B, K, M, G or T, such as 10G for 10 GiB");
}

/* The lists of the process, which has one command line, are never freed; here they stay reachable. */
static const char **lists[TOOL_OPTIONS_MAX];

static void add(const char ***list, const char *text)
{
        size_t n = mf_strv_length(*list), i = 0;

        while (lists[i] && lists[i] != *list)
                i++;
        const char **grown = reallocarray(*list, n + 2, sizeof(*grown));
        if (!grown)
                tool_oom();
        grown[n] = text;
        grown[n + 1] = NULL;
        *list = lists[i] = grown;
}

/* Puts the option's value into its field. Returns -1, or the exit status. */
static int take(const struct tool_command *command, const struct tool_option *option, const char *text, void *choices)
{
        void *at = (char *) choices + option->at;

        if (option->kind == TOOL_FLAG)
                *(int *) at = 1;
        else if (option->kind == TOOL_TEXT)
                *(const char **) at = text;
        else if (option->kind == TOOL_LIST)
                add(at, text);
        else if (option->kind == TOOL_WORD)
                return take_word(command, option, text, at);
        else if (option->kind == TOOL_NUMBER)
                return take_number(command, option, text, at);
        else
                return take_amount(command, option, text, at);
        return -1;
}

/* --- mistakes --- */

/* A long option that getopt_long() did not know, or of which several begin in this way. */
static int bad_name(const struct tool_command *command, const char *argument)
{
        const char *names[TOOL_OPTIONS_MAX + 2], *meant;
        char name[MF_NEAREST_MAX + 1], candidates[512] = "";
        size_t length = strcspn(argument + 2, "="), n = 0, alike = 0;

        for (const struct tool_option *option = command->options; option->name; option++)
                names[n++] = option->name;
        names[n++] = help.name;
        names[n] = NULL;
        for (size_t i = 0; i < n; i++) {
                if (strncmp(names[i], argument + 2, length) != 0)
                        continue;
                size_t used = strlen(candidates);
                snprintf(candidates + used, sizeof(candidates) - used, " '--%s'", names[i]);
                alike++;
        }
        if (alike > 1)
                return tool_usage(command->name, "option '%s' is ambiguous; possibilities:%s", argument, candidates);
        snprintf(name, sizeof(name), "%.*s", (int) length, argument + 2);
        meant = length < sizeof(name) ? mf_nearest(name, names, MF_MOST_EDITS) : NULL;
        if (meant)
                return tool_usage(command->name, "unrecognized option '%s'; did you mean '--%s'?", argument, meant);
        return tool_usage(command->name, "unrecognized option '%s'", argument);
}

/* Says what getopt_long() did not like. `word` is the argument that it looked at. */
static int bad_option(const struct tool_command *command, int c, const char *word)
{
        const struct tool_option *option = find(command, optopt);
        int is_long = strncmp(word, "--", 2) == 0;

        if (!is_long)
                return tool_usage(command->name, "%s -- '%c'",
                                  c == ':' ? "option requires an argument" : "invalid option", optopt);
        if (!optopt || !option)
                return bad_name(command, word);
        return tool_usage(command->name, "option '--%s' %s", option->name,
                          c == ':' ? "requires an argument" : "doesn't allow an argument");
}

static int check_operands(const struct tool_command *command, const struct tool_operands *operands)
{
        size_t wanted = 0;

        while (command->operands && command->operands[wanted])
                wanted++;
        if (operands->n < wanted)
                return tool_usage(command->name, "missing operand %s", command->operands[operands->n]);
        if (command->ends_at_operand || operands->n - wanted <= command->more_operands)
                return -1;
        return tool_usage(command->name, "extra operand '%s'%s%s", operands->list[wanted + command->more_operands],
                          command->extra ? "; " : "", command->extra ? command->extra : "");
}

/* --- the whole --- */

/* Fills in what getopt_long() wants to know. Operands are returned in their order ("-"), a missing value as ':'. */
static void translate(const struct tool_command *command, struct option *ret, char *letters)
{
        size_t i = 0;

        letters = stpcpy(letters, "-:h");
        for (; i < TOOL_OPTIONS_MAX && command->options[i].name; i++) {
                const struct tool_option *option = &command->options[i];
                int has_value = option->kind == TOOL_FLAG ? no_argument : required_argument;
                ret[i] = (struct option){ option->name, has_value, NULL, FIRST_VALUE + (int) i };
                if (option->letter)
                        *letters++ = option->letter;
                if (option->letter && has_value)
                        *letters++ = ':';
        }
        *letters = '\0';
        ret[i++] = (struct option){ help.name, no_argument, NULL, help.letter };
        ret[i] = (struct option){ 0 };
}

/* What follows the options: all of it are operands, or, after "--", a program. */
static void take_rest(const struct tool_command *command, char **argv, int after_mark, struct tool_operands *ret)
{
        if (after_mark && command->has_program) {
                ret->program = argv + optind;
                return;
        }
        for (; argv[optind]; optind++)
                ret->list[ret->n++] = argv[optind];
}

/* One option or operand, which getopt_long() returned as `c`, of argv[at]. Returns -1, or the exit status. */
static int take_one(const struct tool_command *command, int c, const char *word, void *choices,
                    struct tool_operands *ret)
{
        const struct tool_option *option = c == '?' || c == ':' ? NULL : find(command, c);

        if (c == 1) {
                ret->list[ret->n++] = optarg;
                return -1;
        }
        if (!option)
                return bad_option(command, c, word);
        if (option != &help)
                return take(command, option, optarg, choices);
        tool_help(command);
        return TOOL_OK;
}

int tool_parse(const struct tool_command *command, int argc, char **argv, void *choices, struct tool_operands *ret)
{
        int ends_at_operand = command->ends_at_operand || (!command->has_program && getenv("POSIXLY_CORRECT"));
        struct option known[TOOL_OPTIONS_MAX + 2];
        char letters[2 * TOOL_OPTIONS_MAX + 8];
        int c, at = 1;

        /* The operands move to the front of argv, where getopt_long(), which returns them in their order, has been. */
        *ret = (struct tool_operands){ .list = argv + 1 };
        translate(command, known, letters);
        opterr = optind = 0;
        /* `at` is the word that is looked at: one with several letters takes several turns. */
        for (; (c = getopt_long(argc, argv, letters, known, NULL)) >= 0; at = optind) {
                if (c == 1 && ends_at_operand) {
                        optind--;
                        break;
                }
                int status = take_one(command, c, argv[at], choices, ret);
                if (status >= 0)
                        return status;
        }
        take_rest(command, argv, c < 0 && optind > at, ret);
        ret->list[ret->n] = NULL;
        return check_operands(command, ret);
}
