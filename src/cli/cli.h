/* SPDX-License-Identifier: MIT */
#ifndef MF_TOOL_H
#define MF_TOOL_H

/* The `mayfly` command: each subcommand is a thin caller of the library. */

#include <stdint.h>

/* Exit statuses of every subcommand. */
enum {
        TOOL_OK = 0,
        TOOL_FAILED = 1, /* it could not be done, or the answer is no */
        TOOL_USAGE = 2,
};

int tool_build(int argc, char **argv);
int tool_cat_manifest(int argc, char **argv);
int tool_gc(int argc, char **argv);
int tool_images(int argc, char **argv);
int tool_inspect(int argc, char **argv);
int tool_leak_check(int argc, char **argv);
int tool_pin(int argc, char **argv);
int tool_pull(int argc, char **argv);
int tool_trust(int argc, char **argv);
int tool_validate(int argc, char **argv);
int tool_verify(int argc, char **argv);

/* Prints "mayfly: ..." to standard error and returns TOOL_USAGE, or TOOL_FAILED. */
__attribute__((format(printf, 1, 2))) int tool_usage(const char *format, ...);
__attribute__((format(printf, 1, 2))) int tool_fail(const char *format, ...);
/* The same for an option that getopt_long() did not take. */
int tool_bad_option(const char *command, const char *argument);

/* A JSON string, which is UTF-8 as all that the library hands out; and an object, of "NAME=VALUE". */
void tool_json_string(const char *text);
void tool_json_pairs(const char *const *pairs);
/* For a terminal: what is printed may have anything in it. */
void tool_print_text(const char *text);
void tool_print_list(const char *const *list, const char *between);

/* "1.5 GiB"; returns `text`. */
const char *tool_size(uint64_t bytes, char text[32]);

#endif
