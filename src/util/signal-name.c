/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/signal-name.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int real_time_number(const char *name)
{
        const int is_from_end = strncasecmp(name, "RTMAX", 5) == 0;
        const int first = is_from_end ? SIGRTMAX : SIGRTMIN, most = SIGRTMAX - SIGRTMIN;
        char *end;

        if (!is_from_end && strncasecmp(name, "RTMIN", 5) != 0)
                return 0;
        name += 5;
        if (!*name)
                return first;
        const long n = strtol(name, &end, 10);
        return *name != (is_from_end ? '-' : '+') || *end || n < -most || n > most ? 0 : first + (int) n;
}

int mf_signal_number(const char *text)
{
        char *end;

        if (*text >= '0' && *text <= '9') {
                const unsigned long n = strtoul(text, &end, 10);
                return *end || n > (unsigned long) SIGRTMAX ? 0 : (int) n;
        }
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *name = sigabbrev_np(i);
                if (name && strcasecmp(name, text) == 0)
                        return i;
        }
        return real_time_number(text);
}
