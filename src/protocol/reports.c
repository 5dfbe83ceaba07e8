/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/reports.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define ALL_LIMITS (MF_LIMIT_MEMORY | MF_LIMIT_MEMORY_LOW | MF_LIMIT_CPU | MF_LIMIT_CPU_SHARES | MF_LIMIT_OOM_SCORE)

static int take_limits(struct mf_reports *reports, const struct mf_message *message)
{
        int limits = message->value[0];

        /* mayfly-launch and mayfly-init each report their own, so only the same limit may not come twice. */
        if (limits <= 0 || (limits & ~ALL_LIMITS) || (limits & reports->missing_limits))
                return -EPROTO;
        reports->missing_limits |= limits;
        return 0;
}

static int take_scratch(struct mf_reports *reports, const struct mf_message *message)
{
        (void) message;
        if (reports->has_scratch)
                return -EPROTO;
        reports->has_scratch = 1;
        return 0;
}

static int take_hosts(struct mf_reports *reports, const struct mf_message *message)
{
        (void) message;
        if (!reports->expects_hosts)
                return -EPROTO;
        reports->expects_hosts = 0;
        return 0;
}

static int take_ready(struct mf_reports *reports, const struct mf_message *message)
{
        (void) message;
        reports->ready = 1;
        return 0;
}

static int take_hook(struct mf_reports *reports, const struct mf_message *message)
{
        (void) message;
        reports->hook_started = 1;
        return 0;
}

static int take_app(struct mf_reports *reports, const struct mf_message *message)
{
        int error = message->value[0];

        if (error < 0 || error > 4095)
                return -EPROTO;
        reports->app = error ? MF_APP_FAILED : MF_APP_STARTED;
        reports->app_error = -error;
        if (error)
                snprintf(reports->app_failure, sizeof(reports->app_failure), "%.*s", (int) sizeof(message->text) - 1,
                         message->text);
        return 0;
}

static int take_usage(struct mf_reports *reports, const struct mf_message *message)
{
        int r = reports->has_usage ? -EPROTO : mf_usage_parse(message->text, &reports->usage);

        reports->has_usage |= r == 0;
        return r;
}

static int take_exit(struct mf_reports *reports, const struct mf_message *message)
{
        int code = message->value[0], status = message->value[1];

        if (code != CLD_EXITED && code != CLD_KILLED && code != CLD_DUMPED)
                return -EPROTO;
        if (status < 0 || status > (code == CLD_EXITED ? 255 : SIGRTMAX) || (code != CLD_EXITED && status == 0))
                return -EPROTO;
        reports->app = MF_APP_ENDED;
        reports->app_end.si_code = code;
        reports->app_end.si_status = status;
        reports->app_was_late = message->value[2] != 0;
        return 0;
}

static int take_notified(struct mf_reports *reports, const struct mf_message *message)
{
        (void) message;
        if (reports->notified || !reports->expects_notify)
                return -EPROTO;
        reports->notified = 1;
        return 0;
}

/* What may come when. */
static const struct {
        enum mf_message_type type;
        int when_ready, when_hook_started; /* 0: before only, 1: after only, -1: either */
        enum mf_app_state when_app;
        int of_app;
        int (*take)(struct mf_reports *reports, const struct mf_message *message);
} rules[] = {
        { MF_MESSAGE_LIMITS, 0, 0, MF_APP_NONE, 0, take_limits },
        { MF_MESSAGE_SCRATCH, 0, 0, MF_APP_NONE, 0, take_scratch },
        { MF_MESSAGE_HOSTS, 0, 0, MF_APP_NONE, 0, take_hosts },
        { MF_MESSAGE_READY, 0, 0, MF_APP_NONE, 0, take_ready },
        { MF_MESSAGE_HOOK, 1, 0, MF_APP_NONE, 1, take_hook },
        { MF_MESSAGE_APP, 1, -1, MF_APP_NONE, 1, take_app },
        { MF_MESSAGE_NOTIFIED, 1, -1, MF_APP_STARTED, 1, take_notified },
        { MF_MESSAGE_USAGE, 1, -1, MF_APP_STARTED, 1, take_usage },
        { MF_MESSAGE_EXIT, 1, -1, MF_APP_STARTED, 1, take_exit },
};

int mf_reports_take(struct mf_reports *reports, const struct mf_message *message, size_t n_fds)
{
        if (n_fds != (message->type == MF_MESSAGE_HOSTS || message->type == MF_MESSAGE_SCRATCH))
                return -EPROTO; /* no other report has descriptors */
        for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
                if ((uint32_t) rules[i].type != message->type)
                        continue;
                if (rules[i].when_ready != reports->ready || rules[i].when_app != reports->app ||
                    (rules[i].when_hook_started >= 0 && rules[i].when_hook_started != reports->hook_started) ||
                    (rules[i].of_app && !reports->expects_app))
                        return -EPROTO;
                return rules[i].take(reports, message);
        }
        return -EPROTO;
}

int mf_reports_have_oom(const struct mf_reports *reports)
{
        return reports->app == MF_APP_ENDED && reports->app_end.si_code != CLD_EXITED &&
               reports->app_end.si_status == SIGKILL && reports->has_usage &&
               reports->usage.oom_kills != MF_USAGE_UNKNOWN && reports->usage.oom_kills > 0;
}
