/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "cli/options.h"
#include "cli/reader.h"
#include "cli/run.h"
#include "util/signal-name.h"

/* --- texts ------------------------------------------------------------------------------------------------------ */

static const char *copy(const struct reader *reader, const char *text)
{
        return strcpy(reader_memory(reader, strlen(text) + 1, 1), text);
}

int reader_content(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        if (!json_is_string(value))
                return reader_not_a(reader, place, value, "a string");
        *(const char **) to = copy(reader, json_string_value(value));
        return 0;
}

int reader_text(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        if (json_string_length(value) == 0)
                return reader_not_a(reader, place, value, "a string of one character or more");
        return reader_content(reader, place, value, to);
}

int reader_path(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        int r = reader_text(reader, place, value, to);

        if (r == 0)
                *(const char **) to = run_path(reader->memory, reader->directory, *(const char **) to);
        return r;
}

int reader_texts(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        json_t *item;
        size_t i;

        if (!json_is_array(value))
                return reader_not_a(reader, place, value, "a list of strings");
        const char **list = reader_memory(reader, json_array_size(value) + 1, sizeof(*list));
        json_array_foreach(value, i, item) {
                const struct place inner = { .above = place, .index = i };
                int r = reader_content(reader, &inner, item, &list[i]);
                if (r < 0)
                        return r;
        }
        *(const char *const **) to = list;
        return 0;
}

/* Makes "NAME=VALUE" of a member; of null that of the environment, or NULL, where that is allowed. */
static int take_pair(const struct reader *reader, const struct place *place, json_t *value, int can_inherit,
                     const char **ret)
{
        const char *text = json_string_value(value);

        if (!*place->name || strchr(place->name, '='))
                return reader_bad(reader, place, "\"%s\" is no name; it must not be empty or have a \"=\"",
                                  place->name);
        if (can_inherit && json_is_null(value)) {
                text = getenv(place->name);
                if (!text)
                        return 0;
        }
        if (!text)
                return reader_not_a(reader, place, value,
                                    can_inherit ? "a string, or null for the value that the variable has here"
                                                : "a string");
        char *line = reader_memory(reader, strlen(place->name) + strlen(text) + 2, 1);
        sprintf(line, "%s=%s", place->name, text);
        *ret = line;
        return 0;
}

static int take_pairs(const struct reader *reader, const struct place *place, json_t *value, int can_inherit, void *to)
{
        const char *name;
        json_t *member;
        size_t n = 0;

        if (!json_is_object(value))
                return reader_not_a(reader, place, value, "an object of names and values");
        const char **list = reader_memory(reader, json_object_size(value) + 1, sizeof(*list));
        json_object_foreach(value, name, member) {
                const struct place inner = { .above = place, .name = name };
                int r = take_pair(reader, &inner, member, can_inherit, &list[n]);
                if (r < 0)
                        return r;
                n += list[n] != NULL;
        }
        *(const char *const **) to = list;
        return 0;
}

int reader_pairs(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return take_pairs(reader, place, value, 0, to);
}

int reader_env(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        return take_pairs(reader, place, value, 1, to);
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

int reader_flag(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        if (!json_is_boolean(value))
                return reader_not_a(reader, place, value, "true or false");
        *(int *) to = json_is_true(value);
        return 0;
}

/* Reads a whole number from `least` to `most`. */
static int take_number(const struct reader *reader, const struct place *place, json_t *value, json_int_t least,
                       json_int_t most, json_int_t *ret)
{
        char wanted[80];

        snprintf(wanted, sizeof(wanted), "a whole number from %lld to %lld", (long long) least, (long long) most);
        if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
                return reader_not_a(reader, place, value, wanted);
        *ret = json_integer_value(value);
        return 0;
}

int reader_number(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        json_int_t number = 0;

        int r = take_number(reader, place, value, 1, UINT_MAX - 1, &number);
        if (r == 0)
                *(unsigned *) to = (unsigned) number;
        return r;
}

int reader_status(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        json_int_t number = 0;

        int r = take_number(reader, place, value, 0, 255, &number);
        if (r == 0)
                *(int *) to = (int) number;
        return r;
}

int reader_id(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        json_int_t number = 0;

        int r = take_number(reader, place, value, 0, UINT_MAX - 1, &number);
        if (r == 0)
                *(uid_t *) to = (uid_t) number;
        return r;
}

int reader_mode(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        const char *text = json_string_value(value);

        if (!text || !*text || strlen(text) > 5 || strspn(text, "01234567") != strlen(text) ||
            strtoul(text, NULL, 8) > 07777)
                return reader_not_a(reader, place, value, "a mode in octal digits, such as \"0644\"");
        *(mode_t *) to = (mode_t) strtoul(text, NULL, 8);
        return 0;
}

int reader_bytes(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        if (json_is_integer(value) && json_integer_value(value) > 0) {
                *(uint64_t *) to = (uint64_t) json_integer_value(value);
                return 0;
        }
        if (!json_is_string(value) || tool_parse_bytes(json_string_value(value), to))
                return reader_not_a(reader, place, value,
                                    "a number of bytes; write 1048576, or a number with B, K, M, G or T, such as "
                                    "\"512M\"");
        return 0;
}

/* Reads one part of a duration, a number and its unit. Returns what follows it, or NULL. */
static const char *take_part(const char *text, double *ms)
{
        static const struct {
                const char *name;
                double ms;
        } units[] = { { "ms", 1 }, { "us", 0.001 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
        char *end;

        const size_t length_of_number = strspn(text, "0123456789.");

        if (*text < '0' || *text > '9')
                return NULL;
        double number = strtod(text, &end);
        if (end != text + length_of_number) /* strtod() knows more numbers than people write: "0x10", "1e3" */
                return NULL;
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
                size_t length = strlen(units[i].name);
                if (strncmp(end, units[i].name, length) == 0) {
                        *ms += number * units[i].ms;
                        return end + length;
                }
        }
        return NULL;
}

int reader_parse_duration(const char *text, double *ret_ms)
{
        *ret_ms = 0;
        if (!*text)
                return 0;
        while (text && *text)
                text = take_part(text, ret_ms);
        return text != NULL;
}

int reader_duration(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        double ms = 0;

        if (!json_is_string(value) || !reader_parse_duration(json_string_value(value), &ms) || ms < 1 || ms >= UINT_MAX)
                return reader_not_a(reader, place, value,
                                    "a time of 1 ms or more; write numbers with h, m, s or ms, such as \"60s\" or "
                                    "\"1m30s\"");
        *(unsigned *) to = (unsigned) ms;
        return 0;
}

int reader_signal(const struct reader *reader, const struct place *place, json_t *value, void *to)
{
        const char *text = json_string_value(value);

        const int number = text ? mf_signal_number(text) : 0;
        if (number == 0)
                return reader_not_a(reader, place, value, "the name of a signal, such as \"SIGTERM\"");
        *(int *) to = number;
        return 0;
}

int reader_word(const struct reader *reader, const struct place *place, json_t *value, const char *const *words,
                int first, void *to)
{
        char wanted[200] = "";
        size_t used = 0;

        for (size_t i = 0; words[i]; i++) {
                if (json_is_string(value) && strcmp(json_string_value(value), words[i]) == 0) {
                        *(int *) to = first + (int) i;
                        return 0;
                }
                if (used < sizeof(wanted))
                        used += (size_t) snprintf(wanted + used, sizeof(wanted) - used, "%s\"%s\"",
                                                  i == 0         ? ""
                                                  : words[i + 1] ? ", "
                                                                 : " or ",
                                                  words[i]);
        }
        return reader_not_a(reader, place, value, wanted);
}
