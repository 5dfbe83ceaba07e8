/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include <mayfly/exec.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/named.h"
#include "cli/run.h"
#include "util/arena.h"
#include "util/macro.h"

/* `mayfly exec` and `mayfly shell`: a command in a container that runs. */

struct choices {
        const char **env;
        const char *user, *cwd, *state;
        int interactive, tty;
};

/* The image's entrypoint is not for commands. */
static const char *const no_entrypoint[] = { NULL };

static int make_command(const char *name, const struct choices *choices, struct mf_arena *memory,
                        struct mayfly_command *ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        *ret = run_make_command(memory, choices->user, choices->cwd, choices->tty);
        ret->entrypoint = no_entrypoint;
        return run_take_env(memory, choices->env, &ret->env, &err) < 0 ? tool_usage(name, "--env=%s", err.message)
                                                                       : TOOL_OK;
}

/* Runs the command of `words`, of which the first is the container. Returns the exit status. */
static int execute(const struct choices *choices, char **words)
{
        mf_cleanup(mf_arena_clear) struct mf_arena memory = { 0 };
        struct mayfly_container *container = NULL;
        struct mayfly_command command;

        if (make_command("exec", choices, &memory, &command) != TOOL_OK ||
            tool_attach(choices->state, words[0], &container) != TOOL_OK)
                return RUN_FAILED;
        command.argv = (const char *const *) words + 1;
        int status = run_command(container, &command, choices->interactive, NULL);
        mayfly_container_free(container);
        return status;
}

static int run_exec(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_exec, argc, argv, &choices, &operands);

        if (status >= 0)
                return status == TOOL_OK ? TOOL_OK : RUN_FAILED;
        if (operands.n < 2) {
                (void) tool_usage("exec", "missing operand COMMAND");
                return RUN_FAILED;
        }
        return run_check_terminal("exec", choices.interactive, choices.tty) == TOOL_OK
                       ? execute(&choices, operands.list)
                       : RUN_FAILED;
}

/* Starts bash, or else sh. Returns 0 or negative errno with an error. */
static int start_shell(struct mayfly_container *container, struct mayfly_command *command, struct mayfly_exec **ret,
                       struct mayfly_error *err)
{
        static const char *const bash[] = { "bash", NULL }, *const sh[] = { "sh", NULL };

        command->argv = bash;
        if (mayfly_exec_start(ret, container, command, NULL) == 0)
                return 0;
        command->argv = sh;
        return mayfly_exec_start(ret, container, command, err);
}

static int run_shell(int argc, char **argv)
{
        mf_cleanup(mf_arena_clear) struct mf_arena memory = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *container = NULL;
        struct choices choices = { .interactive = 1, .tty = isatty(STDIN_FILENO) };
        struct mayfly_exec *exec = NULL;
        struct mayfly_command command;
        struct tool_operands operands;
        int status = tool_parse(&tool_shell, argc, argv, &choices, &operands);

        if (status >= 0)
                return status == TOOL_OK ? TOOL_OK : RUN_FAILED;
        if (make_command("shell", &choices, &memory, &command) != TOOL_OK ||
            tool_attach(choices.state, operands.list[0], &container) != TOOL_OK)
                return RUN_FAILED;
        int r = start_shell(container, &command, &exec, &err);
        status = r < 0 ? run_failed(r, &err) : run_pass_on(exec, choices.interactive, choices.tty, NULL);
        mayfly_exec_free(exec);
        mayfly_container_free(container);
        return status;
}

/* Options of both. */
#define OPTION_ENV                                                                                        \
        {                                                                                                 \
                .name = "env", .letter = 'e', .kind = TOOL_LIST, .at = offsetof(struct choices, env),     \
                .value = "NAME[=VALUE]", .help = "set this variable; without a value, to what it is here" \
        }
#define OPTION_USER                                                                                     \
        {                                                                                               \
                .name = "user", .letter = 'u', .kind = TOOL_TEXT, .at = offsetof(struct choices, user), \
                .value = "USER", .help = "run it as this user instead of the app's"                     \
        }
#define OPTION_WORKDIR                                                                                    \
        {                                                                                                 \
                .name = "workdir", .letter = 'w', .kind = TOOL_TEXT, .at = offsetof(struct choices, cwd), \
                .value = "PATH", .help = "run it in this directory instead of the app's"                  \
        }

static const struct tool_option exec_options[] = {
        { .name = "interactive",
          .letter = 'i',
          .at = offsetof(struct choices, interactive),
          .help = "pass standard input on to the command" },
        { .name = "tty", .letter = 't', .at = offsetof(struct choices, tty), .help = "give the command a terminal" },
        OPTION_ENV,
        OPTION_USER,
        OPTION_WORKDIR,
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const struct tool_option shell_options[] = {
        OPTION_ENV, OPTION_USER, OPTION_WORKDIR, TOOL_OPTION_STATE(struct choices, state), TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

#define STATUS                                                                                                      \
        "or 128 and the number of the signal that ended it; 127 when it, its user or its directory was not found, " \
        "126 when it could not be executed, and 125 when mayfly could not run it or the command line is wrong."

const struct tool_command tool_exec = {
        .name = "exec",
        .summary = "run a command in a container that runs",
        .synopsis = "[OPTION]... NAME COMMAND [ARGUMENT]...",
        .description = "Runs the COMMAND as the app's user, in its working directory and with its environment. Output "
                       "and error output are the command's; signals go to it.\n"
                       "The command ends with this process, or with the container.",
        .exit_status = "the command's, " STATUS,
        .options = exec_options,
        .operands = operand_names,
        .ends_at_operand = 1,
        .run = run_exec,
};

const struct tool_command tool_shell = {
        .name = "shell",
        .summary = "open a shell in a container that runs",
        .synopsis = "[OPTION]... NAME",
        .description = "Runs bash, or sh where the container has no bash, on this terminal. When standard input is no "
                       "terminal, the shell reads it as a script.",
        .exit_status = "the shell's, " STATUS,
        .options = shell_options,
        .operands = operand_names,
        .run = run_shell,
};
