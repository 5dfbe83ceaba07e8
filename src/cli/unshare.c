/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "privilege/userns.h"
#include "store/directory.h"
#include "util/error.h"
#include "util/macro.h"

#define NOT_FOUND 127
#define NOT_EXECUTED 126

struct choices {
        int unused; /* this command has no options */
};

/* Sets MAYFLY_STORE: the default of root is another than the user's. Returns 0 or negative errno. */
static int keep_store(struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *store = NULL;

        if (mf_store_path(NULL, &store, NULL) < 0) /* as without HOME: then the command has none either */
                return 0;
        return setenv("MAYFLY_STORE", store, 1) < 0 ? mf_error_oom(err, MAYFLY_STAGE_HOST) : 0;
}

/* Becomes root of the user's namespace, in a mount namespace of its own. Returns 0 or negative errno. */
static int join(struct mayfly_error *err)
{
        int namespace;

        int r = keep_store(err);
        if (r == 0)
                r = mf_userns_get(&namespace, err);
        if (r < 0)
                return r;
        if (setns(namespace, CLONE_NEWUSER) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 ||
            unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the user's namespace cannot be joined");
        return 0;
}

static int run(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        struct choices choices = { 0 };
        char *shell = getenv("SHELL");
        char *alone[] = { shell && *shell ? shell : (char *) (uintptr_t) "/bin/sh", NULL };
        int status = tool_parse(&tool_unshare, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        char **command = operands.n > 0 ? operands.list : alone;
        if (mf_privilege_is_delegated() && join(&err) < 0)
                return tool_fail("%s", err.message);
        execvp(command[0], command);
        status = errno == ENOENT ? NOT_FOUND : NOT_EXECUTED;
        (void) tool_fail("%s cannot be executed: %s", command[0], strerror(errno));
        return status;
}

static const struct tool_option options[] = { TOOL_OPTIONS_END };

const struct tool_command tool_unshare = {
        .name = "unshare",
        .summary = "run a command with the rights that containers have over your files",
        .synopsis = "[COMMAND [ARGUMENT]...]",
        .description =
                "Runs COMMAND, or your shell, as root of a user namespace with your subordinate IDs. There 0 is you, "
                "and the IDs from 1 on are those of /etc/subuid and /etc/subgid. So it can read and remove what users "
                "of containers own in the image store and in volumes.\n"
                "For root it runs COMMAND as it is.",
        .exit_status =
                "COMMAND's; 127 when it does not exist, 126 when it cannot be executed, 2 when the command line is "
                "wrong, and 1 when this user has no such namespace.",
        .options = options,
        .ends_at_operand = 1,
        .run = run,
};
