/* SPDX-License-Identifier: MIT */
#include "fetch/range.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

/* Parses digits and moves *text after them. Returns 1, or 0 when there are none or too many. */
static int number(const char **text, uint64_t *ret)
{
        char *end;

        if (!isdigit((unsigned char) **text))
                return 0;
        errno = 0;
        *ret = strtoull(*text, &end, 10);
        *text = end;
        return errno == 0;
}

int mf_parse_range(const char *text, uint64_t *start, uint64_t *total)
{
        uint64_t last;

        *total = 0;
        if (!text || strncasecmp(text, "bytes ", 6) != 0)
                return 0;
        text += 6;
        if (!number(&text, start) || *text++ != '-' || !number(&text, &last) || *text++ != '/' || last < *start)
                return 0;
        return *text == '*' || (number(&text, total) && *total > last);
}

int mf_parse_range_beyond(const char *text, uint64_t *total)
{
        if (!text || strncasecmp(text, "bytes */", 8) != 0)
                return 0;
        text += 8;
        return number(&text, total);
}
