/* SPDX-License-Identifier: MIT */
#include "cli/text.h"

#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "util/escape.h"
#include "util/macro.h"

void tool_print_text(const char *text)
{
        mf_cleanup(mf_freep) char *escaped = mf_escape_dup(text);

        if (!escaped)
                tool_oom();
        fputs(escaped, stdout);
}

void tool_print_list(const char *const *list, const char *between)
{
        for (const char *mark = ""; list && *list; list++, mark = between) {
                fputs(mark, stdout);
                tool_print_text(*list);
        }
}

const char *tool_size(uint64_t bytes, char text[32])
{
        static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
        double n = (double) bytes;
        size_t unit = 0;

        while (n >= 1024 && unit + 1 < MF_ELEMENTSOF(units)) {
                n /= 1024;
                unit++;
        }
        snprintf(text, 32, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
        return text;
}

const char *tool_time(int64_t when, const char *format, char text[32])
{
        time_t t = (time_t) when;
        struct tm tm;

        if (!gmtime_r(&t, &tm) || strftime(text, 32, format, &tm) == 0)
                snprintf(text, 32, "?");
        return text;
}

const char *tool_plural(uint64_t n)
{
        return n == 1 ? "" : "s";
}
