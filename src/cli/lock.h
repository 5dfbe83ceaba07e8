/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_LOCK_H
#define MF_CLI_LOCK_H

/* Lock files: pinned references, one a line; "#" begins a comment. */

#include <stdio.h>

#include "util/strv.h"

/* Finds the reference in a line, and ends it with a NUL; *ret is NULL where the line has none. Returns TOOL_OK, or complains of a line with
 * more than one word and returns TOOL_FAILED. */
int tool_line_reference(char *line, char **ret);

/* Reads a line as getline() does, and sees to it that it has no NUL byte. Returns 1, 0 at the end, or complains and returns -TOOL_FAILED. */
int tool_lock_line(FILE *file, char **line, size_t *size, const char *path);

/* Reads the lines of a lock file, a regular one, each with its newline; there are none when the file is missing and that `is_fine`. Returns TOOL_OK, or
 * complains and returns TOOL_FAILED. */
int tool_lock_read(const char *path, int is_fine, struct mf_strings *ret);

enum tool_lock_change { TOOL_LOCK_SAME, TOOL_LOCK_CHANGED, TOOL_LOCK_ADDED };

/* Puts a reference in the place of that of line `i`, which has one. */
enum tool_lock_change tool_lock_set(struct mf_strings *lines, size_t i, const char *reference);
/* Puts a reference into the line that has the same one with any pin, or into a new line. */
enum tool_lock_change tool_lock_put(struct mf_strings *lines, const char *reference);

/* Replaces the file at once by these lines. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int tool_lock_write(const char *path, const struct mf_strings *lines);

#endif
