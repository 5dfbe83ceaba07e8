/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <mayfly/life.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "util/macro.h"

struct choices {
        const char *signal, *state;
};

/* A number, or a name with or without "SIG" in any case; "RTMIN+3", too. Returns 0 for what is none. */
static int signal_number(const char *text)
{
        char *end;

        if (*text >= '0' && *text <= '9') {
                const unsigned long n = strtoul(text, &end, 10);
                return *end || n > (unsigned long) SIGRTMAX ? 0 : (int) n;
        }
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        for (int i = 1; i < SIGRTMIN; i++) {
                const char *name = sigabbrev_np(i);
                if (name && strcasecmp(name, text) == 0)
                        return i;
        }
        const int from_end = strncasecmp(text, "RTMAX", 5) == 0;
        if (!from_end && strncasecmp(text, "RTMIN", 5) != 0)
                return 0;
        const long n = text[5] ? strtol(text + 5, &end, 10) : 0;
        if (text[5] && (*end || end == text + 6 || text[5] != (from_end ? '-' : '+')))
                return 0;
        const long number = (from_end ? SIGRTMAX : SIGRTMIN) + n;
        return number >= SIGRTMIN && number <= SIGRTMAX ? (int) number : 0;
}

static int kill_one(const char *name, const struct choices *choices, int number)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (tool_attach(choices->state, name, &container) != TOOL_OK)
                return TOOL_FAILED;
        const int has_app = tool_has_app(container, name);
        int r = has_app ? mayfly_container_kill(container, number, &err) : 0;
        mayfly_container_free(container);
        if (!has_app)
                return TOOL_FAILED;
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .signal = "KILL" };
        struct tool_operands operands;
        int status = tool_parse(&tool_kill, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        const int number = signal_number(choices.signal);
        if (number == 0)
                return tool_usage("kill",
                                  "--signal=%s is no signal; write a name such as HUP, or a number from 1 to %d",
                                  choices.signal, SIGRTMAX);
        status = TOOL_OK;
        for (size_t i = 0; i < operands.n; i++)
                if (kill_one(operands.list[i], &choices, number) != TOOL_OK)
                        status = TOOL_FAILED;
        return status;
}

static const struct tool_option options[] = {
        { .name = "signal",
          .letter = 's',
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, signal),
          .value = "SIGNAL",
          .help = "a name or number; default KILL" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

const struct tool_command tool_kill = {
        .name = "kill",
        .summary = "send a signal to the apps of containers",
        .synopsis = "[OPTION]... NAME...",
        .description = "Sends a signal to the app of each container, and does not wait for what comes of it.",
        .exit_status = "0, or 1 when one of them could not be sent, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
