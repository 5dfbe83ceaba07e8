/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "util/escape.h"
#include "util/macro.h"

#define SIZE_FIRST (offsetof(struct mayfly_error, message) + MAYFLY_ERROR_MESSAGE_MAX) /* the first release's */
#define SIZE_MAX_EVER (SIZE_FIRST + 4096U)

/* Whether the error can take a message: it is there, is empty, and has a size that a release had. */
static int is_open(const struct mayfly_error *err)
{
        size_t size = err && err->size ? err->size : SIZE_FIRST;

        return err && size >= SIZE_FIRST && size <= SIZE_MAX_EVER && !err->code;
}

void mf_error_clear(struct mayfly_error *err)
{
        if (err) {
                err->code = 0;
                err->stage = MAYFLY_STAGE_NONE;
                err->message[0] = '\0';
        }
}

/* Returns whether `err` took the message. */
static int fill(struct mayfly_error *err, int code, enum mayfly_stage stage, const char *format, va_list args)
{
        char raw[sizeof(err->message)];

        if (!is_open(err))
                return 0;
        err->code = code;
        err->stage = stage;
        vsnprintf(raw, sizeof(raw), format, args);
        /* Names that others chose are in it, and it ends up on terminals. */
        mf_escape(err->message, sizeof(err->message), raw);
        return 1;
}

void mf_error_set(struct mayfly_error *err, int code, enum mayfly_stage stage, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        fill(err, code, stage, format, args);
        va_end(args);
}

void mf_error_set_errno(struct mayfly_error *err, int code, enum mayfly_stage stage, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        int filled = fill(err, code, stage, format, args);
        va_end(args);
        if (!filled)
                return;

        size_t used = strlen(err->message);
        snprintf(err->message + used, sizeof(err->message) - used, ": %s%s", strerrordesc_np(-code),
                 code == -EMFILE ? "; raise the limit of this process with `ulimit -n`" : "");
}

void mf_error_copy(struct mayfly_error *err, int code, enum mayfly_stage stage, const char *message)
{
        if (!is_open(err))
                return;
        err->code = code;
        err->stage = stage;
        snprintf(err->message, sizeof(err->message), "%s", message);
}

void mf_error_join(struct mayfly_error *list, const struct mayfly_error *why)
{
        if (!list->code) {
                *list = *why;
                return;
        }
        size_t used = strlen(list->message);
        snprintf(list->message + used, sizeof(list->message) - used, "; %.700s", why->message);
        if (list->stage != MAYFLY_STAGE_DIGEST && list->stage != MAYFLY_STAGE_MANIFEST &&
            list->stage != MAYFLY_STAGE_SIGNATURE) {
                list->code = why->code;
                list->stage = why->stage;
        }
}

MF_EXPORT const char *mayfly_stage_name(enum mayfly_stage stage)
{
        static const char *const names[] = {
                [MAYFLY_STAGE_NONE] = "none",
                [MAYFLY_STAGE_SPEC] = "spec",
                [MAYFLY_STAGE_REFERENCE] = "reference",
                [MAYFLY_STAGE_DISCOVERY] = "discovery",
                [MAYFLY_STAGE_HTTP] = "http",
                [MAYFLY_STAGE_DIGEST] = "digest",
                [MAYFLY_STAGE_ARCHIVE] = "archive",
                [MAYFLY_STAGE_MANIFEST] = "manifest",
                [MAYFLY_STAGE_STORE] = "store",
                [MAYFLY_STAGE_HOST] = "host",
                [MAYFLY_STAGE_BUS] = "bus",
                [MAYFLY_STAGE_START] = "start",
                [MAYFLY_STAGE_EXEC] = "exec",
                [MAYFLY_STAGE_LOGS] = "logs",
                [MAYFLY_STAGE_STOP] = "stop",
                [MAYFLY_STAGE_SIGNATURE] = "signature",
                [MAYFLY_STAGE_NETWORK] = "network",
                [MAYFLY_STAGE_WAIT] = "wait",
                [MAYFLY_STAGE_FILES] = "files",
        };

        if ((unsigned) stage >= MF_ELEMENTSOF(names))
                return "unknown";
        return names[stage];
}
