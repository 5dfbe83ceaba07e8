/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/check.h"

/* Writes the message; too long a one is cut. */
static void say(struct mf_host_finding *ret, enum mf_host_status status, int code, const char *format, va_list args)
{
        *ret = (struct mf_host_finding){ .status = status, .code = code, .stage = MAYFLY_STAGE_HOST };
        vsnprintf(ret->message, sizeof(ret->message), format, args);
}

void mf_host_ok(struct mf_host_finding *ret, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        say(ret, MF_HOST_OK, 0, format, args);
        va_end(args);
}

void mf_host_warning(struct mf_host_finding *ret, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        say(ret, MF_HOST_WARNING, 0, format, args);
        va_end(args);
}

void mf_host_missing(struct mf_host_finding *ret, int code, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        say(ret, MF_HOST_MISSING, code, format, args);
        va_end(args);
}

void mf_host_remedy(struct mf_host_finding *ret, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        vsnprintf(ret->remedy, sizeof(ret->remedy), format, args);
        va_end(args);
        if (ret->code == -EMFILE) /* then it says nothing about the host */
                snprintf(ret->remedy, sizeof(ret->remedy), "raise the limit of this process with `ulimit -n`");
}

void mf_host_take_error(struct mf_host_finding *ret, const struct mayfly_error *err)
{
        const char *remedy = strstr(err->message, "; ");
        int length = remedy ? (int) (remedy - err->message) : (int) strlen(err->message);

        mf_host_missing(ret, err->code, "%.*s", length, err->message);
        ret->stage = err->stage;
        mf_host_remedy(ret, "%s", remedy ? remedy + 2 : "look into the log of the system");
}
