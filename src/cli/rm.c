/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/keepers.h"
#include "cli/named.h"
#include "cli/running.h"
#include "container/container.h"
#include "util/fd.h"
#include "util/macro.h"

/* Only the owner of a container can end it: the keeper of mayfly up and the process of mayfly run are asked to. */

struct choices {
        const char *state;
        int force;
};

#define GRACE_MS 2000 /* for what a mayfly run runs, to end by itself */
#define AGAIN_MS 50
#define TRIES 20U

/* Whether the process is a mayfly run. */
static int is_mayfly_run(pid_t pid)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer arguments = { 0 };
        char path[64];

        snprintf(path, sizeof(path), "/proc/%d", (int) pid);
        mf_cleanup(mf_closep) int process = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process < 0 || tool_read_process(process, "cmdline", &arguments) < 0 || !arguments.data)
                return 0;
        const char *program = arguments.data, *slash = strrchr(program, '/');
        const char *command = program + strlen(program) + 1;
        return strcmp(slash ? slash + 1 : program, "mayfly") == 0 && command < program + arguments.size &&
               strcmp(command, "run") == 0;
}

/* Asks a mayfly run to end, as somebody at its terminal does: the third time it does not wait for its command. */
static int end_run(pid_t pid, const char *name)
{
        mf_cleanup(mf_closep) int process = (int) syscall(SYS_pidfd_open, pid, 0);

        if (process < 0 || !is_mayfly_run(pid))
                return process < 0 && errno == ESRCH ? TOOL_OK
                                                     : tool_fail("container \"%s\" ends with process %d, which started "
                                                                 "it and alone can end it; "
                                                                 "end that process",
                                                                 name, (int) pid);
        for (unsigned i = 0; i < TRIES; i++) {
                const int wait_ms = i == 0 || i + 1 == TRIES ? GRACE_MS : AGAIN_MS;
                mf_pidfd_signal(process,
                                i + 1 == TRIES ? SIGKILL : SIGTERM); /* its container ends with it, in any case */
                if (poll(&(struct pollfd){ .fd = process, .events = POLLIN }, 1, wait_ms) > 0)
                        return TOOL_OK;
        }
        return tool_fail("process %d, which started container \"%s\", does not end, even by SIGKILL; is it stuck in a "
                         "file system?",
                         (int) pid, name);
}

static int end_one(const struct keepers *keepers, const char *state, const char *word)
{
        struct mayfly_container *container = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char whole[TOOL_NAME_MAX];
        const char *name = word;

        /* One that was stopped has no state file, but its keeper knows it. */
        const struct keeper_found *keeper = tool_whole_name(state, word, whole) ? keepers_have(keepers, name = whole)
                                                                                : keepers_complete(keepers, &name);
        if (keeper)
                return keepers_end(keeper, name);
        if (tool_attach(state, word, &container) != TOOL_OK)
                return TOOL_FAILED;
        /* One that was given to another owner can be stopped by all who use it. */
        int r = mayfly_container_stop(container, &err);
        const pid_t owner = container->owner;
        mayfly_container_free(container);
        if (r == -ECHILD)
                return end_run(owner, word);
        return r < 0 ? tool_fail("%s", err.message) : TOOL_OK;
}

static int run(int argc, char **argv)
{
        mf_cleanup(keepers_clear) struct keepers keepers = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_rm, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (keepers_find(choices.state, &keepers, &err) < 0)
                return tool_fail("%s", err.message);
        status = TOOL_OK;
        for (size_t i = 0; i < operands.n; i++)
                if (end_one(&keepers, choices.state, operands.list[i]) != TOOL_OK)
                        status = TOOL_FAILED;
        return status;
}

static const struct tool_option options[] = {
        { .name = "force",
          .letter = 'f',
          .at = offsetof(struct choices, force),
          .help = "for those who are used to it: a container that runs is always ended" },
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "NAME", NULL };

const struct tool_command tool_rm = {
        .name = "rm",
        .summary = "end containers, whoever has started them",
        .synopsis = "[OPTION]... NAME...",
        .description =
                "Ends each container, after which nothing is left of it: one of mayfly up, of mayfly run, or one that "
                "was given to another owner, such as one of a failed test that is kept. Others end with the "
                "program that started them.",
        .exit_status = "0, or 1 when one of them could not be ended, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
