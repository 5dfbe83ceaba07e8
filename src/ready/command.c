/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ready/condition.h"
#include "ready/pace.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/time.h"

/* A command in the container that must exit with 0. It runs while the other conditions are looked at. */

#define OUTPUT_MAX 4096U
#define SAID_MAX 200U

struct attempts {
        struct mf_command *running; /* NULL between two attempts */
        unsigned n_ended;
        uint64_t begin_us;
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
        snprintf(attempts->last, sizeof(attempts->last), "%s %d%s%s%s", result->exit->exited ? "exit status" : "signal",
                 result->exit->exited ? result->exit->status : result->exit->signal, *shown ? ", \"" : "", shown,
                 *shown ? "\"" : "");
        attempts->n_ended++;
}

static int begin(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct mayfly_command command = MAYFLY_COMMAND_INIT;
        struct attempts *attempts = condition->data;

        command.argv = condition->options.command;
        command.output_max = OUTPUT_MAX;
        attempts->begin_us = mf_now_us();
        condition->next_look_us = UINT64_MAX; /* its end is an event */
        return mf_command_begin(container, &command, &attempts->running, err);
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct attempts *attempts = condition->data;
        struct mayfly_result *result = NULL;

        if (!attempts->running)
                return begin(condition, container, err);
        condition->next_look_us = UINT64_MAX;
        int r = mf_command_step(container, attempts->running, &result, err);
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
        return r;
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
