/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <limits.h>
#include <stddef.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/declaration.h"
#include "cli/keeper.h"
#include "util/macro.h"

static int up(const struct keeper_choices *choices, const char *file, const char *const *names)
{
        mf_cleanup(declaration_clear) struct declaration declaration = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (declaration_read(file, &declaration, &err) < 0 || declaration_choose(&declaration, names, &err) < 0)
                return tool_fail("%s", err.message);
        return keeper_begin(choices, &declaration, 0);
}

static int run(int argc, char **argv)
{
        struct keeper_choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct tool_operands operands;
        int status = tool_parse(&tool_up, argc, argv, &choices, &operands);

        return status >= 0 ? status : up(&choices, operands.list[0], (const char *const *) operands.list + 1);
}

static const struct tool_option options[] = {
        { .name = "detach",
          .letter = 'd',
          .at = offsetof(struct keeper_choices, detach),
          .help = "return when all are ready, and let them run on" },
        TOOL_OPTION_STATE(struct keeper_choices, state),
        KEEPER_OPTION_OWNER(struct keeper_choices, owner),
        KEEPER_OPTION_TIME_LIMIT(struct keeper_choices, time_limit_s),
        TOOL_OPTION_STORE(struct keeper_choices, image.store),
        { .name = "no-log-prefix",
          .at = offsetof(struct keeper_choices, no_log_prefix),
          .help = "do not print the container's name before each line of its log" },
        { .name = "no-color", .at = offsetof(struct keeper_choices, no_color), .help = "print no colours" },
        TOOL_OPTION_QUIET(struct keeper_choices, "print errors alone, and no logs"),
        TOOL_OPTION_ALLOW_HTTP(struct keeper_choices, image.allow_http),
        TOOL_OPTION_SIGNATURES(struct keeper_choices, image.signatures, "off"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "FILE", NULL };

const struct tool_command tool_up = {
        .name = "up",
        .summary = "start the containers of a declaration",
        .synopsis = "[OPTION]... FILE [NAME]...",
        .description =
                "Starts the containers that FILE declares, see mayfly-declaration(5), or those of the NAMEs and "
                "those that they come after. FILE may be \"-\" for standard input. When all are ready, prints "
                "a line for each published port: the container's name, the port, and its address.\n"
                "Without --detach the lines that the containers write follow, each after its container's name, as "
                "docker compose up prints them.\n"
                "Without --detach it stays until it is interrupted or the containers have ended. When this "
                "process ends, or with --detach the one that stays in its place, nothing is left.",
        .exit_status = "0, or 1 when one could not be started, or one has ended by itself with a failure while this "
                       "command stayed, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
