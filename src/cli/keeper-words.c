/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "container/container.h"
#include "util/fd.h"
#include "util/macro.h"

void keeper_log_path(const char *state, pid_t keeper, char ret[TOOL_STATE_PATH_MAX])
{
        char name[40];

        snprintf(name, sizeof(name), "keeper-%d", (int) keeper);
        tool_state_path(state, name, ".log", ret);
}

void keeper_say(const struct keeper *keeper, const char *format, ...)
{
        char path[TOOL_STATE_PATH_MAX];
        va_list args;

        if (keeper->is_detached && keeper->is_ready) {
                keeper_log_path(keeper->state, getpid(), path);
                mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
                (void) dup2(fd, STDERR_FILENO);
        }
        va_start(args, format);
        (void) tool_vfail(format, args);
        va_end(args);
}

/* --- ends ------------------------------------------------------------------------------------------------------- */

/* Says it in the file NAME.end. */
static void write_end(const struct keeper *keeper, const struct kept *kept, const char *text)
{
        char path[TOOL_STATE_PATH_MAX];

        tool_state_path(keeper->state, kept->name, TOOL_END_SUFFIX, path);
        mf_cleanup(mf_closep) int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd >= 0)
                (void) mf_write_full(fd, text, strlen(text));
}

void keeper_say_end(struct keeper *keeper, const struct kept *kept)
{
        struct mayfly_exit exit = MAYFLY_EXIT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        char what[TOOL_NAME_MAX + 32];

        int is_success = mayfly_container_wait(kept->container, 0, &exit, NULL) == 0 && exit.exited && exit.status == 0;
        snprintf(what, sizeof(what), "container \"%s\" has ended", kept->name);
        (void) mf_container_explain_death(kept->container, -ESRCH, MAYFLY_STAGE_EXEC, what, &err);
        write_end(keeper, kept, err.message + strlen(what) + strlen(": "));
        if (is_success)
                return;
        keeper->status = TOOL_FAILED;
        keeper_say(keeper, "%s", err.message);
}

void keeper_forget_words(const struct keeper *keeper)
{
        char path[TOOL_STATE_PATH_MAX];

        for (size_t i = 0; i < keeper->n; i++) {
                if (!keeper->kept[i]->has_ended || !keeper->kept[i]->name)
                        continue;
                tool_state_path(keeper->state, keeper->kept[i]->name, TOOL_END_SUFFIX, path);
                (void) unlink(path);
        }
        keeper_log_path(keeper->state, getpid(), path);
        if (keeper->is_detached)
                (void) unlink(path);
}

/* --- what is ready ---------------------------------------------------------------------------------------------- */

static void print_addresses(const struct kept *kept)
{
        const struct mayfly_publish *publish = kept->declared->spec.publish;
        char port[24];

        if (!publish || !publish[1].size)
                printf("%s\n", kept->name);
        for (; publish && publish[1].size; publish++) {
                struct mayfly_address address = MAYFLY_ADDRESS_INIT;
                snprintf(port, sizeof(port), "%u/%s", publish[1].port, publish[1].protocol);
                if (mayfly_container_address(kept->container, port, &address, NULL) == 0)
                        printf("%s %s %s\n", kept->name, port, address.text);
        }
}

void keeper_print(const struct keeper *keeper)
{
        for (size_t i = 0; i < keeper->n; i++)
                if (keeper->prints_names)
                        printf("%s\n", keeper->kept[i]->name);
                else if (!keeper->choices->quiet)
                        print_addresses(keeper->kept[i]);
        (void) fflush(stdout);
}
