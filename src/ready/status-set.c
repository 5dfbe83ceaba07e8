/* SPDX-License-Identifier: MIT */
#include "ready/status-set.h"

#include <errno.h>
#include <stdlib.h>

#include "util/error.h"

#define STATUS_DEFAULT "200-399"
#define STATUS_MIN 100U
#define STATUS_MAX 999U

/* Reads a number of three digits. Returns 0 when there is none. */
static unsigned read_status(const char **p)
{
        unsigned status = 0;

        for (unsigned i = 0; i < 3; i++, (*p)++) {
                if (**p < '0' || **p > '9')
                        return 0;
                status = status * 10 + (unsigned) (**p - '0');
        }
        return **p >= '0' && **p <= '9' ? 0 : status;
}

/* Reads "200" or "200-299" and moves on. Returns 0 when it is neither. */
static int read_range(const char **p, unsigned *first, unsigned *last)
{
        *first = *last = read_status(p);
        if (**p == '-') {
                (*p)++;
                *last = read_status(p);
        }
        return *first >= STATUS_MIN && *last <= STATUS_MAX && *first <= *last;
}

int mf_status_set_check(const char *set, struct mayfly_error *err)
{
        unsigned first, last;

        for (const char *p = set; p; p++) {
                if (!read_range(&p, &first, &last) || (*p && *p != ','))
                        return mf_error(
                                err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "http_status \"%.100s\" is no set of status codes; write \"200\", \"200,204\" or "
                                "\"200-299,404\"",
                                set);
                if (!*p)
                        break;
        }
        return 0;
}

int mf_status_set_has(const char *set, unsigned status)
{
        unsigned first, last;

        for (const char *p = set ? set : STATUS_DEFAULT; read_range(&p, &first, &last); p++) {
                if (status >= first && status <= last)
                        return 1;
                if (*p != ',')
                        break;
        }
        return 0;
}
