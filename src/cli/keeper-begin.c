/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "cli/keepers.h"
#include "cli/operand.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/runtime-dir.h"

#define LONGEST_S UINT64_C(3155760000) /* a hundred years */
#define DEFAULT_LIMIT_S UINT64_C(3600) /* of what no process owns */

int keeper_open_owner(pid_t pid, int *ret)
{
        *ret = pid ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;
        if (pid == 0 || (*ret >= 0 && !mf_pidfd_has_ended(*ret)))
                return TOOL_OK;
        return tool_fail("--owner-pid=%d: %s; give the PID of a process that runs: what is started ends with it",
                         (int) pid, *ret >= 0 ? "this process has ended" : strerror(errno));
}

uint64_t keeper_limit_us(uint64_t limit_s)
{
        return (limit_s < LONGEST_S ? limit_s : LONGEST_S) * 1000000U;
}

/* Makes the directory for state files, and its path absolute. */
static int make_state(const char *path, char **ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (!path)
                return TOOL_OK;
        int r = mf_mkdir_p(path);
        *ret = r < 0 ? NULL : realpath(path, NULL);
        if (!*ret)
                return tool_fail("--state=%s: the directory cannot be made: %s", path, strerror(r < 0 ? -r : errno));
        /* One that others could change is found out before anything is started. */
        r = mf_runtime_dir_make(*ret, &err);
        return r < 0 ? tool_fail("--state: %s", err.message) : TOOL_OK;
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
                const struct keeper_found *found = name ? keepers_have(&keepers, name) : NULL;
                if (found)
                        return tool_fail("there is a container \"%s\" already, which process %d keeps; end it by "
                                         "mayfly down, or give this one another name",
                                         name, (int) found->pid);
                if (name && tool_name_is_free(keeper->state, name, &err) < 0)
                        return tool_fail("%s", err.message);
        }
        return TOOL_OK;
}

static int keep(struct keeper *keeper, struct declaration *declaration)
{
        struct mayfly_image_options options = keeper->choices->image;
        struct mf_progress_printer printer;

        int status = keeper->choices->detach ? keeper_detach(keeper) : -1;
        if (status >= 0)
                return status;
        tool_show_progress(keeper->choices->quiet, &printer, &options);
        for (size_t i = 0; i < declaration->n; i++)
                declaration->containers[i].spec.image_options = &options;
        status = keeper_run(keeper);
        mf_progress_finish(&printer);
        return status;
}

int keeper_begin(const struct keeper_choices *choices, struct declaration *declaration, int prints_names)
{
        struct keeper keeper = {
                .choices = choices, .declaration = declaration, .owner = -1, .prints_names = prints_names, .starter = -1
        };
        uint64_t limit_s = choices->time_limit_s;

        if (choices->detach && choices->owner == 0 && limit_s == 0)
                limit_s = DEFAULT_LIMIT_S;
        keeper.limit_us = keeper_limit_us(limit_s);
        int status = keeper_open_owner((pid_t) choices->owner, &keeper.owner);
        if (status == TOOL_OK)
                status = make_state(choices->state, &keeper.state);
        if (status == TOOL_OK)
                status = check_names(&keeper);
        if (status == TOOL_OK)
                status = keep(&keeper, declaration);
        mf_close(keeper.owner);
        free(keeper.state);
        return status;
}
