/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/keepers.h"
#include "cli/named.h"
#include "cli/run-control.h"
#include "util/fd.h"
#include "util/macro.h"

/* stop, pause, resume, restart, snapshot and reset: what only the owner of a container may do, so that its keeper is asked. */

struct choices {
        const char *state;
        uint64_t time_s;
};

/* Stops a container that was given to another process, such as mayfly-keep: all who use it may; or has a mayfly run end. Returns the
 * exit status, or -1 for a container that only its owner may stop. */
static int stop_given(const char *state, const char *name, uint64_t time_s)
{
        mf_cleanup(mf_closep) int run = -1;
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (tool_attach(state, name, &container) != TOOL_OK)
                return TOOL_FAILED;
        int r = mayfly_container_stop(container, &err);
        if (r == -ECHILD)
                run = run_connect(container->owner);
        mayfly_container_free(container);
        if (r == -ECHILD && run < 0)
                return -1;
        if (run >= 0) {
                err = (struct mayfly_error) MAYFLY_ERROR_INIT;
                r = run_ask(run, "stop", (unsigned) time_s * 1000, NULL, &err);
        }
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

/* Handles a name that no keeper has: that of a container of another owner, or of none. */
static int do_without_keeper(const struct keepers *keepers, const char *command, const struct choices *choices,
                             const char *name)
{
        mf_cleanup(tool_named_list_clear) struct tool_named_list list = { 0 };

        (void) tool_list_named(choices->state, &list);
        for (size_t i = 0; i < list.n; i++) {
                if (strcmp(list.entries[i].name, name) != 0)
                        continue;
                int status = strcmp(command, "stop") == 0 ? stop_given(choices->state, name, choices->time_s) : -1;
                if (status >= 0)
                        return status;
                return tool_fail("container \"%s\" cannot be asked to %s: that is up to process %d, which owns it and "
                                 "takes no requests; mayfly up and mayfly run --detach start containers that can",
                                 name, command, list.entries[i].owner);
        }
        return keepers_complain(keepers, name);
}

int keepers_ask(const struct keeper_found *keeper, const char *name, json_t *request)
{
        json_t *answer = NULL;

        int r = control_ask(keeper->fd, request, 0, &answer);
        const char *error = r < 0 ? NULL : control_error(answer);
        int status = TOOL_OK;
        if (r < 0)
                status = tool_fail("process %d, which keeps container \"%s\", did not answer: %s", (int) keeper->pid,
                                   name, strerrordesc_np(-r));
        else if (error)
                status = tool_fail("%s", error);
        json_decref(answer);
        return status;
}

static int ask(const struct keeper_found *keeper, const char *command, const char *name, uint64_t time_s)
{
        return keepers_ask(keeper, name,
                           json_pack("{s:s, s:s, s:I}", "request", command, "container", name, "timeout_ms",
                                     (json_int_t) time_s * 1000));
}

static int run(const struct tool_command *command, int argc, char **argv)
{
        mf_cleanup(keepers_clear) struct keepers keepers = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices = { 0 };
        struct tool_operands operands;

        int status = tool_parse(command, argc, argv, &choices, &operands);
        if (status >= 0)
                return status;
        if (choices.time_s > UINT_MAX / 1000)
                return tool_usage(command->name, "--time is too long");
        if (keepers_find(choices.state, &keepers, &err) < 0)
                return tool_fail("%s", err.message);
        status = TOOL_OK;
        for (size_t i = 0; i < operands.n; i++) {
                const char *name = operands.list[i];
                const struct keeper_found *keeper = keepers_complete(&keepers, &name);
                int r = keeper ? ask(keeper, command->name, name, choices.time_s)
                               : do_without_keeper(&keepers, command->name, &choices, name);
                status = status == TOOL_OK ? r : status;
        }
        return status;
}

static const struct tool_option options[] = {
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const struct tool_option stop_options[] = {
        { .name = "time",
          .letter = 't',
          .kind = TOOL_AGE,
          .at = offsetof(struct choices, time_s),
          .value = "TIME",
          .help = "how long the app may take to end after the stop signal; default as declared" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

#define COMMAND(name_, options_, summary_, description_)                                                            \
        static int run_##name_(int argc, char **argv)                                                               \
        {                                                                                                           \
                return run(&tool_##name_, argc, argv);                                                              \
        }                                                                                                           \
        const struct tool_command tool_##name_ = {                                                                  \
                .name = #name_,                                                                                     \
                .summary = summary_,                                                                                \
                .synopsis = "[OPTION]... NAME...",                                                                  \
                .description = description_ "\nEach NAME, or the beginning of only one, is that of a container of " \
                                            "mayfly up or mayfly run --detach.",                                    \
                .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",           \
                .options = options_,                                                                                \
                .operands = operand_names,                                                                          \
                .more_operands = UINT_MAX,                                                                          \
                .run = run_##name_,                                                                                 \
        }

COMMAND(stop, stop_options, "stop containers, and keep what they wrote",
        "Asks the apps to end by their stop signals, and ends their containers. What they wrote is kept in memory, for "
        "mayfly restart, until mayfly down.");
COMMAND(restart, stop_options, "stop containers and start them again with what they wrote",
        "Stops containers, unless they have ended or were stopped, and starts them again with what they wrote, and "
        "with the same names and ports. Waits until they are ready.");
COMMAND(pause, options, "stop all processes of containers where they are",
        "Stops all processes of containers where they are, until mayfly resume.");
COMMAND(resume, options, "let paused containers go on", "Lets paused containers go on.");
COMMAND(snapshot, options, "take snapshots of containers, to reset them to",
        "Notes what containers have written, for mayfly reset; an earlier snapshot is forgotten. One that runs is "
        "paused "
        "meanwhile.");
COMMAND(reset, options, "set containers back to their snapshots",
        "Kills containers and starts them from their snapshots, in about the time of a start, with the same names and "
        "ports. Waits until they are ready.");
