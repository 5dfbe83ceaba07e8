/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

int make_work(void **state)
{
        (void) state;
        return mkdtemp(work) && chmod(work, 0755) == 0 ? 0 : -1;
}

int remove_work(void **state)
{
        (void) state;
        return rmdir(work);
}

char *in_work(const char *name)
{
        static char paths[4][256];
        static unsigned n;
        char *path = paths[n++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/%s", work, name);
        return path;
}

void on_host(const char *format, ...)
{
        char line[4096];
        va_list args;
        int n = snprintf(line, sizeof(line), "set -e; umask 022; cd %s; ", work);

        va_start(args, format);
        vsnprintf(line + n, sizeof(line) - (size_t) n, format, args);
        va_end(args);
        if (system(line) != 0)
                fail_msg("failed on the host: %s", line);
}
