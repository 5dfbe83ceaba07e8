/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/postmortem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/logs.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"

#define LOG_TAIL_MAX 2048U

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
                for (char *tab = line; (tab = strchr(tab, '\t'));)
                        *tab = ' '; /* the only usual one of what is not shown as it is */
                mf_escape(shown, sizeof(shown), line);
                int n = snprintf(err->message + used, room, "\n  | %s", shown);
                if (n < 0 || (size_t) n >= room)
                        return;
                used += (size_t) n;
                room -= (size_t) n;
                p += length + 1;
        }
}

/* Says in `text` how a process ended: "exited with status 7". */
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

/* Says in `text` why it died. Returns whether the boot log may say more. */
static int find_cause(const struct mf_facts *facts, char *text, size_t size)
{
        const struct mf_reports *reports = facts->reports;
        char end[128];

        switch (reports->app) {
        case MF_APP_ENDED:
                describe_end(&reports->app_end, end, sizeof(end));
                snprintf(text, size, "the app of container %s %s%s", facts->machine, end,
                         mf_reports_have_oom(reports) ? ", because the container's memory was used up (see memory_max)"
                                                      : "");
                return 0;
        case MF_APP_FAILED:
                snprintf(text, size, "the app of container %s could not be started: %s", facts->machine,
                         reports->app_failure[0] ? reports->app_failure : strerrordesc_np(-reports->app_error));
                return 0;
        case MF_APP_NONE:
        case MF_APP_STARTED:
                break;
        }
        if (facts->broke_protocol)
                snprintf(text, size,
                         "container %s sent a message that mayfly-init does not send at that time, so it was ended; "
                         "something inside it writes to the control socket",
                         facts->machine);
        else if (facts->was_stopped)
                snprintf(text, size, "container %s is stopped", facts->machine);
        else if (facts->owner)
                snprintf(text, size, "container %s, which belongs to process %d, has ended", facts->machine,
                         (int) facts->owner);
        else
                snprintf(text, size, "container %s died%s", facts->machine,
                         reports->ready ? "" : " before it could answer");
        return !facts->was_stopped;
}

int mf_explain_death(const struct mf_facts *facts, int code, enum mayfly_stage stage, const char *what,
                     struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *log = NULL;
        mf_cleanup(mf_freep) char *boot_log = NULL;
        char cause[512];
        const char *output;

        if (!err || err->code)
                return code;
        int boot_log_counts = find_cause(facts, cause, sizeof(cause));
        (void) mf_log_read(facts->log, LOG_TAIL_MAX, &log, NULL);
        if (boot_log_counts)
                (void) mf_boot_log_read(facts->boot_log, LOG_TAIL_MAX, &boot_log);
        int has_log = log && *log, has_boot_log = boot_log && *boot_log;
        if (has_boot_log)
                output = "; its last messages are:";
        else if (has_log)
                output = "; its output ends with:";
        else if (facts->reports->app == MF_APP_ENDED)
                output = "; its output was empty";
        else
                output = boot_log_counts ? " without a message" : "";
        const char *stopped = facts->was_stopped && facts->reports->app == MF_APP_ENDED ? " when it was stopped" : "";
        mf_error(err, code, stage, "%s: %s%s%s", what, cause, stopped, output);
        if (has_boot_log)
                append_tail(err, boot_log);
        if (has_log)
                append_tail(err, log);
        return code;
}

int mf_explain_wait(const struct mf_facts *facts, int code, enum mayfly_stage stage, const char *text,
                    struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *log = NULL;

        if (!err || err->code)
                return code;
        (void) mf_log_read(facts->log, LOG_TAIL_MAX, &log, NULL);
        mf_error(err, code, stage, "%s%s", text, log && *log ? "; its output ends with:" : "; its output is empty");
        if (log && *log)
                append_tail(err, log);
        return code;
}

int mf_explain_unresponsive(const struct mf_facts *facts, unsigned timeout_ms, const char *what,
                            struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *tail = NULL;
        int hook = facts->reports->hook_started;

        int r = mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_START,
                         hook ? "%s: the pre-start hook of container %s still runs after start_timeout_ms = %u"
                              : "%s: container %s did not answer within start_timeout_ms = %u",
                         what, facts->machine, timeout_ms);
        if (err && (hook ? mf_log_read(facts->log, LOG_TAIL_MAX, &tail, NULL)
                         : mf_boot_log_read(facts->boot_log, LOG_TAIL_MAX, &tail)) == 0)
                append_tail(err, tail);
        return r;
}
