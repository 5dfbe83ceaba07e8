/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_JSON_H
#define MF_CLI_JSON_H

/* JSON on standard output. What is printed is valid whatever bytes a text has: see util/escape.h. Members and elements
 * get their commas here. `name` is NULL for an element of an array and for the outermost value. */

#include <jansson.h>
#include <stdint.h>

void tool_json_open(const char *name, char bracket);     /* '{' or '[' */
void tool_json_close(char bracket);                      /* '}' or ']'; after the outermost one, a newline */
void tool_json_text(const char *name, const char *text); /* null for NULL */
void tool_json_number(const char *name, int64_t number);
void tool_json_bool(const char *name, int value);
void tool_json_null(const char *name);
/* An object of a NULL-terminated list of "NAME=VALUE", and an array of texts; NULL is an empty one. */
void tool_json_pairs(const char *name, const char *const *pairs);
void tool_json_list(const char *name, const char *const *list);
void tool_json_value(const char *name, const json_t *value);
/* What is JSON already. */
void tool_json_verbatim(const char *name, const char *json);

#endif
