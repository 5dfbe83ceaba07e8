/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "launch/launch.h"

int launch_error(int code, const char *format, ...)
{
        char text[1024];
        va_list args;

        va_start(args, format);
        vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        dprintf(STDERR_FILENO, "mayfly-launch: %s: %s\n", text, strerrordesc_np(-code));
        return code;
}
