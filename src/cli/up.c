/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/declaration.h"
#include "cli/keeper.h"
#include "cli/keepers.h"
#include "cli/operand.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define DEFAULT_LIMIT_S UINT64_C(3600) /* of what no process owns */

struct choices {
        int detach, quiet;
        const char *state;
        unsigned owner;
        uint64_t limit_s;
        struct mayfly_image_options image;
};

/* Opens the owner, which must run. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
static int open_owner(pid_t pid, int *ret)
{
        if (pid == 0)
                return TOOL_OK;
        *ret = (int) syscall(SYS_pidfd_open, pid, 0);
        if (*ret >= 0 && !mf_pidfd_has_ended(*ret))
                return TOOL_OK;
        return tool_fail("--owner-pid=%d: %s; give the process whose end is to be the end of the containers", (int) pid,
                         *ret >= 0 ? "this process has ended" : strerror(errno));
}

/* Makes the directory for state files, and its path absolute. */
static int make_state(const char *path, char **ret)
{
        if (!path)
                return TOOL_OK;
        int r = mf_mkdir_p(path);
        *ret = r < 0 ? NULL : realpath(path, NULL);
        if (*ret)
                return TOOL_OK;
        return tool_fail("--state=%s: the directory cannot be made: %s", path, strerror(r < 0 ? -r : errno));
}

/* Whether nobody has, or is about to have, one of the names. A start that can only fail is saved. */
static int check_names(const struct keeper *keeper)
{
        mf_cleanup(keepers_clear) struct keepers keepers = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (keepers_find(keeper->state, &keepers, &err) < 0)
                return tool_fail("%s", err.message);
        for (size_t i = 0; i < keeper->declaration->n; i++) {
                const char *name = keeper->declaration->containers[i].name;
                const struct keeper_found *found = keepers_of(&keepers, name);
                if (found)
                        return tool_fail("there is a container \"%s\" already, which process %d keeps; end it by "
                                         "mayfly down, or give this one another name",
                                         name, (int) found->pid);
                if (tool_name_is_free(keeper->state, name, &err) < 0)
                        return tool_fail("%s", err.message);
        }
        return TOOL_OK;
}

static int keep(struct keeper *keeper, const struct choices *choices, struct declaration *declaration)
{
        struct mayfly_image_options options = choices->image;
        struct mf_progress_printer printer;

        int status = choices->detach ? keeper_detach(keeper) : TOOL_OK;
        if (status != TOOL_OK)
                return status;
        tool_show_progress(choices->quiet, &printer, &options);
        for (size_t i = 0; i < declaration->n; i++)
                declaration->containers[i].spec.image_options = &options;
        status = keeper_run(keeper);
        mf_progress_finish(&printer);
        return status;
}

static int up(const struct choices *choices, const char *file, const char *const *names)
{
        mf_cleanup(declaration_clear) struct declaration declaration = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_closep) int owner = -1;
        mf_cleanup(mf_freep) char *state = NULL;

        int status = open_owner((pid_t) choices->owner, &owner);
        if (status == TOOL_OK &&
            (declaration_read(file, &declaration, &err) < 0 || declaration_choose(&declaration, names, &err) < 0))
                status = tool_fail("%s", err.message);
        if (status == TOOL_OK)
                status = make_state(choices->state, &state);
        if (status != TOOL_OK)
                return status;
        struct keeper keeper = { .declaration = &declaration,
                                 .state = state,
                                 .owner = owner,
                                 .starter = -1,
                                 .is_quiet = choices->quiet,
                                 .limit_s = choices->limit_s };
        if (choices->detach && owner < 0 && keeper.limit_s == 0)
                keeper.limit_s = DEFAULT_LIMIT_S;
        status = check_names(&keeper);
        status = status == TOOL_OK ? keep(&keeper, choices, &declaration) : status;
        mf_close(mf_take_fd(&keeper.owner) == owner ? mf_take_fd(&owner) : -1);
        return status;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct tool_operands operands;
        int status = tool_parse(&tool_up, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (choices.owner > INT_MAX)
                return tool_usage("up", "--owner-pid=%u is no process", choices.owner);
        return up(&choices, operands.list[0], (const char *const *) operands.list + 1);
}

static const struct tool_option options[] = {
        { .name = "detach",
          .letter = 'd',
          .at = offsetof(struct choices, detach),
          .help = "return when all are ready, and let them run on" },
        TOOL_OPTION_STATE(struct choices, state),
        { .name = "owner-pid",
          .kind = TOOL_NUMBER,
          .at = offsetof(struct choices, owner),
          .value = "PID",
          .help = "end the containers when this process ends" },
        { .name = "time-limit",
          .kind = TOOL_AGE,
          .at = offsetof(struct choices, limit_s),
          .value = "TIME",
          .help = "end the containers after so long; with --detach and without --owner-pid 1h is the default" },
        TOOL_OPTION_STORE(struct choices, image.store),
        TOOL_OPTION_QUIET(struct choices, "print errors alone"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, image.allow_http),
        TOOL_OPTION_SIGNATURES(struct choices, image.signatures, "off"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "FILE", NULL };

const struct tool_command tool_up = {
        .name = "up",
        .summary = "start the containers of a declaration",
        .synopsis = "[OPTION]... FILE [NAME]...",
        .description = "Starts the containers that FILE declares, see mayfly-declaration(5), or those of the NAMEs and "
                       "those that they come after. FILE may be \"-\" for standard input. When all are ready, prints "
                       "a line for each published port: the container's name, the port, and its address.\n"
                       "Without --detach it stays until it is interrupted or the containers have ended. When this "
                       "process ends, or with --detach the one that stays in its place, nothing is left.",
        .exit_status = "0, or 1 when one could not be started, or one has ended by itself with a failure while this "
                       "command stayed, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
