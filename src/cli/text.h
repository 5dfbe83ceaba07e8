/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_TEXT_H
#define MF_CLI_TEXT_H

/* Text for people, on standard output. */

#include <stdint.h>

/* Prints text that others chose, made safe for a terminal: \ooo stands for each byte that is not printable. */
void tool_print_text(const char *text);

/* Prints a NULL-terminated list (NULL is fine) in this way. */
void tool_print_list(const char *const *list, const char *between);

/* "1.5 GiB"; returns `text`. */
const char *tool_size(uint64_t bytes, char text[32]);

/* A time in seconds since 1970 in a format of strftime(3), in UTC; "?" for one that no calendar has. Returns `text`. */
const char *tool_time(int64_t when, const char *format, char text[32]);

/* "s" unless it is one. */
const char *tool_plural(uint64_t n);

#endif
