/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "image/open.h"
#include "ready/condition.h"
#include "ready/pace.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/time.h"

/* A command in the container that must exit with 0: the caller's, or the health check of the image. It runs while the other conditions
 * are looked at. */

#define OUTPUT_MAX 4096U
#define SAID_MAX 200U

struct attempts {
        const struct mf_health *health; /* NULL: the command is the caller's */
        struct mayfly_command command;  /* that is running */
        struct mayfly_exec *running;    /* NULL between two attempts */
        unsigned n_ended;
        uint64_t first_us, begin_us; /* of the first attempt and of this one */
        uint64_t counted_us;         /* begin of the last failure that counts; 0: none */
        unsigned n_counted;
        char last[SAID_MAX + 100]; /* how the last one ended */
};

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        const char *const *argv = condition->options.command;
        size_t used = (size_t) snprintf(what, size, "command \"");

        if (!argv[0] || !*argv[0])
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the command has no words; name a program");
        for (size_t i = 0; argv[i] && used + 20 < size; i++)
                used += (size_t) snprintf(what + used, size - used, "%s%.60s", i ? " " : "", argv[i]);
        snprintf(used < size ? what + used : what + size - 2, used < size ? size - used : 2, "\"");
        condition->data = calloc(1, sizeof(struct attempts));
        return condition->data ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

/* Notes how an attempt ended, with the last line that it wrote. */
static void note(struct attempts *attempts, const struct mayfly_result *result)
{
        char *said = result->err_size ? result->err : result->out, shown[SAID_MAX];

        for (size_t n = strlen(said); n > 0 && said[n - 1] == '\n'; n--)
                said[n - 1] = '\0';
        const char *line = strrchr(said, '\n');
        mf_escape(shown, sizeof(shown), line ? line + 1 : said);
        snprintf(attempts->last, sizeof(attempts->last), "%s%s %d%s%s%s",
                 result->timed_out ? "killed after its time-out, " : "",
                 result->exit->exited ? "exit status" : "signal",
                 result->exit->exited ? result->exit->status : result->exit->signal, *shown ? ", \"" : "", shown,
                 *shown ? "\"" : "");
        attempts->n_ended++;
}

/* Makes the command of the image's health check, which runs as the app does. */
static void set_health(struct attempts *attempts, const struct mayfly_container *container)
{
        const struct mf_image_config *config = container->image->config;
        const struct mayfly_spec *spec = &container->spec;
        uint64_t timeout_ms = (attempts->health->timeout_us + 999) / 1000;

        attempts->command.timeout_ms = timeout_ms < UINT32_MAX ? (unsigned) timeout_ms : UINT32_MAX;
        attempts->command.argv = (const char *const *) attempts->health->command;
        attempts->command.user = spec->user ? spec->user : config->user;
        attempts->command.group = spec->user ? NULL : config->group;
        attempts->command.cwd = spec->cwd ? spec->cwd : config->cwd;
}

static int begin(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct attempts *attempts = condition->data;

        attempts->command = (struct mayfly_command) MAYFLY_COMMAND_INIT;
        attempts->command.argv = condition->options.command;
        attempts->command.output_max = OUTPUT_MAX;
        attempts->command.timeout_ms = UINT32_MAX; /* the wait has a time-out of its own */
        if (attempts->health)
                set_health(attempts, container);
        attempts->begin_us = mf_now_us();
        if (!attempts->first_us)
                attempts->first_us = attempts->begin_us;
        condition->next_look_us = UINT64_MAX; /* its end is an event */
        return mf_command_begin(container, &attempts->command, 0, &attempts->running, err);
}

/* Counts a failure of the health check as docker does, which tries once each interval: it would not have seen the others, for here
 * the tries are more frequent. Returns 0, or -EPROTO when there were too many. */
static int count_failure(struct attempts *attempts, uint64_t now, struct mayfly_error *err)
{
        const struct mf_health *health = attempts->health;
        const uint64_t last_us = attempts->counted_us ? attempts->counted_us : attempts->first_us;

        if (now - attempts->first_us < health->start_period_us || now - last_us < health->interval_us)
                return 0;
        attempts->counted_us = now;
        if (++attempts->n_counted < health->retries)
                return 0;
        return mf_error(
                err, -EPROTO, MAYFLY_STAGE_WAIT,
                "the image says that it is not healthy: it failed %u time%s in a row, each %llu ms after the one "
                "before%s, the last one: %s",
                attempts->n_counted, attempts->n_counted == 1 ? "" : "s",
                (unsigned long long) health->interval_us / 1000,
                health->start_period_us ? " and after the start period" : "", attempts->last);
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct attempts *attempts = condition->data;
        struct mayfly_result *result = NULL;

        if (!attempts->running)
                return begin(condition, container, err);
        condition->next_look_us = UINT64_MAX;
        int r = mf_command_step(attempts->running, &result, err);
        if (r == 0)
                return 0;
        attempts->running = mf_command_end(attempts->running);
        if (r < 0)
                return r;
        uint64_t now = mf_now_us();
        condition->next_look_us = now + mf_pace_pause_us(now - attempts->begin_us, 1);
        r = result->exit->exited && result->exit->status == 0;
        note(attempts, result);
        mayfly_result_free(result);
        return r == 0 && attempts->health ? count_failure(attempts, now, err) : r;
}

static size_t poll_fds(const struct mf_condition *condition, struct pollfd *ret)
{
        const struct attempts *attempts = condition->data;

        return attempts->running ? mf_command_poll_fds(attempts->running, ret) : 0;
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        const struct attempts *attempts = condition->data;

        (void) container;
        if (attempts->n_ended)
                snprintf(seen, size, "it ran %u time%s, the last one: %s%s", attempts->n_ended,
                         attempts->n_ended == 1 ? "" : "s", attempts->last,
                         attempts->running ? "; another one still runs" : "");
        else
                snprintf(seen, size, "it still runs");
}

static void clear(struct mf_condition *condition)
{
        struct attempts *attempts = condition->data;

        if (attempts)
                mf_command_end(attempts->running);
        free(attempts);
}

const struct mf_condition_type mf_condition_command = {
        .check = check, .look = look, .poll_fds = poll_fds, .describe = describe, .clear = clear, .is_slow = 1
};

/* --- the health check of the image ---------------------------------------------------------------------------- */

static int check_healthy(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        snprintf(what, size, "health check of the image");
        condition->data = calloc(1, sizeof(struct attempts));
        return condition->data ? 0 : mf_error_oom(err, MAYFLY_STAGE_SPEC);
}

static int resolve_healthy(struct mf_condition *condition, const struct mayfly_container *container,
                           struct mayfly_error *err)
{
        const struct mf_image_config *config = container->image->config;
        struct attempts *attempts = condition->data;

        attempts->health = &config->health;
        if (config->health.command)
                return 0;
        if (config->health.fault)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the health check of the image %s cannot be used: %s; wait for a port, a command or "
                                "something else instead of MAYFLY_WAIT_HEALTHY()",
                                config->name, config->health.fault);
        return mf_error(
                err, -EINVAL, MAYFLY_STAGE_SPEC,
                "the image %s has no health check (HEALTHCHECK, which images in docker's format can have); wait for "
                "a port, a command or something else instead of MAYFLY_WAIT_HEALTHY()",
                config->name);
}

const struct mf_condition_type mf_condition_healthy = { .check = check_healthy,
                                                        .resolve = resolve_healthy,
                                                        .look = look,
                                                        .poll_fds = poll_fds,
                                                        .describe = describe,
                                                        .clear = clear,
                                                        .is_slow = 1 };
