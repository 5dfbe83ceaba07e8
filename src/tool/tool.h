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

int tool_gc(int argc, char **argv);
int tool_images(int argc, char **argv);
int tool_leak_check(int argc, char **argv);
int tool_pin(int argc, char **argv);
int tool_pull(int argc, char **argv);
int tool_verify(int argc, char **argv);

/* Prints "mayfly: ..." to standard error and returns TOOL_USAGE, or TOOL_FAILED. */
__attribute__((format(printf, 1, 2))) int tool_usage(const char *format, ...);
__attribute__((format(printf, 1, 2))) int tool_fail(const char *format, ...);
/* The same for an option that getopt_long() did not take. */
int tool_bad_option(const char *command, const char *argument);

/* "1.5 GiB"; returns `text`. */
const char *tool_size(uint64_t bytes, char text[32]);

#endif
