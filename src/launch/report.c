/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/message.h"

int launch_send(int socket, const struct mf_message *message, int fd)
{
        struct rlimit own, most;

        int r = mf_message_send(socket, message, &fd, 1);
        if (r != -ETOOMANYREFS || getrlimit(RLIMIT_NOFILE, &own) < 0)
                return r;
        most = (struct rlimit){ own.rlim_max, own.rlim_max };
        (void) setrlimit(RLIMIT_NOFILE, &most);
        r = mf_message_send(socket, message, &fd, 1);
        (void) setrlimit(RLIMIT_NOFILE, &own); /* which the container inherits */
        return r;
}

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
