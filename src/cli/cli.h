/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_H
#define MF_CLI_H

/* The `mayfly` command. Each subcommand is a file, or a small family of them, and a thin caller of the library. Begin
 * reading at main.c; options.h has what a subcommand says of itself, text.h and json.h print. */

#include <stdarg.h>

/* Exit statuses of every subcommand. */
enum {
        TOOL_OK = 0,
        TOOL_FAILED = 1, /* it could not be done, or the answer is no */
        TOOL_USAGE = 2,  /* the command line is wrong */
};

/* Prints "mayfly: ..." to standard error and returns TOOL_FAILED. What is printed is made safe for a terminal. */
__attribute__((format(printf, 1, 2))) int tool_fail(const char *format, ...);

/* The same for a function that is like it. */
__attribute__((format(printf, 1, 0))) int tool_vfail(const char *format, va_list args);

/* Prints a warning of the library, which is one line that can be printed. */
void tool_warn(const char *text, void *userdata);

/* Prints "mayfly COMMAND: ..." and where to find help, and returns TOOL_USAGE. `command` may be NULL. */
__attribute__((format(printf, 2, 3))) int tool_usage(const char *command, const char *format, ...);

/* Ends the process where there is no memory. */
__attribute__((noreturn)) void tool_oom(void);

#endif
