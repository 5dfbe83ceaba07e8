/* SPDX-License-Identifier: MIT */
#ifndef MF_ESCAPE_H
#define MF_ESCAPE_H

#include <stddef.h>
#include <stdint.h>

/* Text that others chose, made safe for a terminal and for JSON. Text is UTF-8, whatever the locale is. */

/* The length in bytes of the first character of a text that is not empty, and in *ret_code its code point. A byte that
 * does not start a valid character has length 1 and code -1. */
size_t mf_utf8_next(const char *text, int32_t *ret_code);

/* Whether a terminal shows the character and does nothing else: not for control characters (C0, C1, DEL), line and
 * paragraph separators, what changes the direction of writing, tags and -1. */
int mf_is_printable(int32_t code);

/* Writes `text` with \ooo, three octal digits, for each byte of a character that is not printable. A backslash stays as
 * it is: this is for reading. Returns the length of all of it, which is `size` or more when it did not fit; it is then
 * cut between two characters. Like snprintf(), it always ends in NUL unless `size` is 0. */
size_t mf_escape(char *ret, size_t size, const char *text);

/* The same, allocated; NULL when there is no memory. */
char *mf_escape_dup(const char *text);

/* Writes `text` as a word that a shell reads as this text, in the same way: as it is, in quotes, or, where characters are not
 * printable, as $'...' of bash and of POSIX since 2024. */
size_t mf_shell_quote(char *ret, size_t size, const char *text);

/* Writes `text` as a JSON string with its quotes, in the same way. Each byte that is not UTF-8 becomes U+FFFD, and a
 * character that is not printable \uXXXX, so that the result is valid JSON whatever the text is. */
size_t mf_json_quote(char *ret, size_t size, const char *text);

/* The same, allocated; NULL when there is no memory. */
char *mf_json_quote_dup(const char *text);

#endif
