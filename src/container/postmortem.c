/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* What is told of a container that died or never answered: how, and its last words. */

#define LOG_TAIL_MAX 2048U
#define LAST_WORDS_MS 500U

/* Appends "\n  | LINE" for each of the last lines of `log`. */
static void append_tail(struct mayfly_error *err, const char *log)
{
        size_t used = strlen(err->message), room = sizeof(err->message) - used;
        const char *p = log + strlen(log);

        if (used + LOG_TAIL_MAX / 4 > sizeof(err->message))
                return;
        while (p > log && p[-1] == '\n')
                p--;
        const char *end = p;
        while (p > log && (size_t) (end - p) < room / 2)
                p--;
        if (p > log) { /* only whole lines, if there are any */
                const char *line = memchr(p, '\n', (size_t) (end - p));
                if (line)
                        p = line + 1;
        }
        while (p < end && room > 8) {
                size_t length = strcspn(p, "\n");
                if (p + length > end)
                        length = (size_t) (end - p);
                char line[LOG_TAIL_MAX + 1], shown[4 * LOG_TAIL_MAX + 1];
                snprintf(line, sizeof(line), "%.*s", (int) length, p);
                mf_escape(shown, sizeof(shown), line);
                int n = snprintf(err->message + used, room, "\n  | %s", shown);
                if (n < 0 || (size_t) n >= room)
                        return;
                used += (size_t) n;
                room -= (size_t) n;
                p += length + 1;
        }
}

static void describe_end(const siginfo_t *end, char *text, size_t size)
{
        if (end->si_code == CLD_EXITED)
                snprintf(text, size, "exited with status %d", end->si_status);
        else
                snprintf(text, size, "was killed by SIG%s (%s)%s",
                         sigabbrev_np(end->si_status) ? sigabbrev_np(end->si_status) : "?",
                         sigdescr_np(end->si_status) ? sigdescr_np(end->si_status) : "unknown signal",
                         end->si_code == CLD_DUMPED ? ", core dumped" : "");
}

int mf_container_dead(struct mayfly_container *container, int code, enum mayfly_stage stage, const char *what,
                      struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *log = NULL;
        mf_cleanup(mf_freep) char *boot_log = NULL;
        char end[128];

        if (!err || err->code)
                return code;
        if (!container->ready) {
                /* All who may have something to say about it have said it when they are gone. */
                uint64_t deadline = mf_now_us() + LAST_WORDS_MS * 1000;
                while (!mf_container_gone(container) && mf_now_us() < deadline)
                        if (mf_container_poll(container, NULL, 10, NULL) < 0)
                                break;
        }
        (void) mf_read_tail(container->boot_log, LOG_TAIL_MAX, &boot_log);
        if (!container->ready && container->engine &&
            container->engine->type->diagnose(container->engine, boot_log && *boot_log, err) < 0)
                return err->code;
        (void) mf_log_read(container->log, LOG_TAIL_MAX, &log, NULL);
        if (container->app_ended) {
                describe_end(&container->app_end, end, sizeof(end));
                mf_error(err, code, stage, "%s: the app of container %s %s; its output%s", what, container->machine,
                         end, log && *log ? " ends with:" : " was empty");
        } else if (container->app_started < 0) {
                boot_log[strcspn(boot_log, "\n")] = '\0';
                mf_error(err, code, stage, "%s: the app of container %s could not be started: %s%s", what,
                         container->machine, boot_log, log && *log ? "; its output ends with:" : "");
                *boot_log = '\0';
        } else {
                mf_error(err, code, stage, "%s: container %s died%s%s", what, container->machine,
                         container->ready ? "" : " before it could answer",
                         (log && *log) || (boot_log && *boot_log) ? "; the last that was heard:" : " without a word");
        }
        if (boot_log && *boot_log && !container->app_ended)
                append_tail(err, boot_log);
        if (log && *log)
                append_tail(err, log);
        return code;
}

int mf_container_mute(struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *tail = NULL;
        int hook = container->hook_started;

        int r = mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_START,
                         hook ? "%s: the pre-start hook of container %s still runs after start_timeout_ms = %u"
                              : "%s: container %s did not answer within start_timeout_ms = %u",
                         what, container->machine, container->spec.start_timeout_ms);
        if (err && (hook ? mf_log_read(container->log, LOG_TAIL_MAX, &tail, NULL)
                         : mf_read_tail(container->boot_log, LOG_TAIL_MAX, &tail)) == 0)
                append_tail(err, tail);
        return r;
}
