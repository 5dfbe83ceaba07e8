/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "util/escape.h"
#include "util/macro.h"

/* Prints to standard error "mayfly COMMAND: " and the text, of which every line is escaped alone: the last lines of a
 * container's log come after a message. */
static void complain(const char *command, const char *format, va_list args)
{
        mf_cleanup(mf_freep) char *text = NULL;

        if (vasprintf(&text, format, args) < 0) {
                text = NULL;
                tool_oom();
        }
        fprintf(stderr, "mayfly%s%s: ", command ? " " : "", command ? command : "");
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = '\0';
                mf_cleanup(mf_freep) char *escaped = mf_escape_dup(line);
                fprintf(stderr, "%s\n", escaped ? escaped : "out of memory");
        }
}

int tool_vfail(const char *format, va_list args)
{
        complain(NULL, format, args);
        return TOOL_FAILED;
}

int tool_fail(const char *format, ...)
{
        va_list args;

        va_start(args, format);
        int status = tool_vfail(format, args);
        va_end(args);
        return status;
}

int tool_usage(const char *command, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        complain(command, format, args);
        va_end(args);
        fprintf(stderr, "Try 'mayfly %s%s--help' for more information.\n", command ? command : "", command ? " " : "");
        return TOOL_USAGE;
}

void tool_warn(const char *text, void *userdata)
{
        mf_cleanup(mf_freep) char *escaped = mf_escape_dup(text);

        (void) userdata;
        fprintf(stderr, "mayfly: warning: %s\n", escaped ? escaped : "out of memory");
}

void tool_oom(void)
{
        fputs("mayfly: out of memory\n", stderr);
        exit(TOOL_FAILED);
}
