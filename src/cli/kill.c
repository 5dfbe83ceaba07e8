/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <limits.h>
#include <signal.h>
#include <stdio.h>

#include <mayfly/life.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/run-control.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/signal-name.h"

struct choices {
        const char *signal, *state;
};

static int kill_one(const char *name, const struct choices *choices, int number)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_closep) int run = -1;

        if (run_attach_app(choices->state, name, &container, &run) != TOOL_OK)
                return TOOL_FAILED;
        int r = run < 0 ? mayfly_container_kill(container, number, &err)
                        : run_ask(run, "kill", (unsigned) number, NULL, &err);
        mayfly_container_free(container);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .signal = "KILL" };
        struct tool_operands operands;
        int status = tool_parse(&tool_kill, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        const int number = mf_signal_number(choices.signal);
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
        .description = "Sends a signal to the app of each container, or to the command of a mayfly run, and does not "
                       "wait for what "
                       "comes of it.",
        .exit_status = "0, or 1 when one of them could not be sent, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
