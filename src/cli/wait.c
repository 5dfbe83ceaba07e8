/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include <mayfly/container.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/run-control.h"
#include "cli/run.h"
#include "util/fd.h"
#include "util/macro.h"

struct choices {
        const char *state;
};

/* Prints the status of the app when it has ended. */
static int wait_for(const char *name, const struct choices *choices)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_exit end = MAYFLY_EXIT_INIT;
        mf_cleanup(mf_closep) int run = -1;
        int status = 0;

        if (run_attach_app(choices->state, name, &container, &run) != TOOL_OK)
                return TOOL_FAILED;
        int r = run < 0 ? mayfly_container_wait(container, UINT32_MAX, &end, &err)
                        : run_ask(run, "wait", 0, &status, &err);
        mayfly_container_free(container);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (run < 0)
                status = end.exited ? end.status : RUN_SIGNALLED + end.signal;
        printf("%d\n", status);
        fflush(stdout);
        return TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_wait, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        status = TOOL_OK;
        for (size_t i = 0; i < operands.n; i++)
                if (wait_for(operands.list[i], &choices) != TOOL_OK)
                        status = TOOL_FAILED;
        return status;
}

static const struct tool_option options[] = {
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

const struct tool_command tool_wait = {
        .name = "wait",
        .summary = "wait for the apps of containers to end",
        .synopsis = "[OPTION]... NAME...",
        .description = "Waits for the app of each container, or the command of a mayfly run, one after the other, and "
                       "prints its "
                       "exit status, or 128 and the number of the signal that ended it.",
        .exit_status = "0, or 1 when a container has no app or ended without a status of it, or 2 when the command "
                       "line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
