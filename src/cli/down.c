/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/control.h"
#include "cli/keeper.h"
#include "cli/keepers.h"
#include "util/dir-names.h"
#include "util/escape.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/text.h"

struct choices {
        const char *state;
};

/* --- logs ------------------------------------------------------------------------------------------------------- */

/* Prints a log line by line, made safe for a terminal. */
static void print_log(FILE *file)
{
        mf_cleanup(mf_freep) char *line = NULL;
        size_t size = 0;

        while (getline(&line, &size, file) >= 0) {
                line[strcspn(line, "\n")] = '\0';
                mf_cleanup(mf_freep) char *escaped = mf_escape_dup(line);
                fprintf(stderr, "%s\n", escaped ? escaped : "out of memory");
        }
}

/* Removes what keepers have left for those who look for a container that has ended by itself: one of these names, or all without any. */
static void remove_ends(int directory, char *const *files, const char *const *names)
{
        for (; files && *files; files++) {
                const char *end = mf_ending(*files, TOOL_END_SUFFIX);
                if (!end || end == *files)
                        continue;
                mf_cleanup(mf_freep) char *name = strndup(*files, (size_t) (end - *files));
                if (!name)
                        tool_oom();
                if (!*names || mf_strv_has(names, name))
                        (void) unlinkat(directory, *files, 0);
        }
}

/* Prints what keepers that have ended had to say, and removes it. Where some containers are meant, their keeper may just be about to end, so
 * that its words are left for the end of all. */
static void take_logs(const char *state, const char *const *containers)
{
        char directory[TOOL_STATE_PATH_MAX], end;
        char **names = NULL;
        int pid;

        tool_state_directory(state, directory);
        mf_cleanup(mf_closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0 || mf_dir_names(fd, &names) < 0)
                return;
        for (char **name = names; !*containers && name && *name; name++) {
                if (sscanf(*name, "keeper-%d.lo%c", &pid, &end) != 2 || end != 'g') /* NOLINT(cert-err34-c) */
                        continue;
                int log = control_is_keeper(pid) ? -1 : openat(fd, *name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
                mf_cleanup(mf_fclosep) FILE *file = log < 0 ? NULL : fdopen(log, "re");
                if (!file)
                        continue;
                print_log(file);
                (void) unlinkat(fd, *name, 0);
        }
        remove_ends(fd, names, containers);
        mf_strv_free(names);
}

/* --- keepers ---------------------------------------------------------------------------------------------------- */

/* Waits until the process has ended: until then others can connect to it. */
static void await_end(int process)
{
        while (process >= 0 && poll(&(struct pollfd){ .fd = process, .events = POLLIN }, 1, -1) < 0 && errno == EINTR)
                ;
}

/* Asks a keeper, and complains if it could not. `containers` is a list that is released, or NULL for all. */
static int ask(const struct keeper_found *keeper, json_t *containers)
{
        json_t *answer = NULL;
        int is_all = !containers;

        int r = control_ask(keeper->fd, json_pack("{s:s, s:o*}", "request", "down", "containers", containers), 0,
                            &answer);
        const char *error = r < 0 ? NULL : control_error(answer);
        int status = error ? tool_fail("%s", error) : TOOL_OK;
        if (r < 0 && r != -EPIPE && r != -ECONNRESET) /* it has ended */
                status = tool_fail("process %d, which keeps containers, did not answer: %s", (int) keeper->pid,
                                   strerrordesc_np(-r));
        json_decref(answer);
        if (is_all && status == TOOL_OK)
                await_end(keeper->process);
        return status;
}

int keepers_end(const struct keeper_found *keeper, const char *name)
{
        return ask(keeper, json_pack("[s]", name));
}

/* Ends the containers of these names that a keeper has. */
static int end_some(const struct keepers *keepers, const struct keeper_found *keeper, const char **names)
{
        json_t *containers = json_array();

        for (; *names; names++)
                if (keepers_have(keepers, *names) == keeper)
                        (void) json_array_append_new(containers, json_string(*names));
        if (json_array_size(containers) > 0)
                return ask(keeper, containers);
        json_decref(containers);
        return TOOL_OK;
}

static int down(const char *state, const char **names)
{
        mf_cleanup(keepers_clear) struct keepers keepers = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int status = TOOL_OK;

        if (keepers_find(state, &keepers, &err) < 0)
                return tool_fail("%s", err.message);
        for (const char **name = names; *name; name++)
                if (!keepers_complete(&keepers, name))
                        return keepers_complain(&keepers, *name);
        for (size_t i = 0; i < keepers.n; i++) {
                int r = *names ? end_some(&keepers, &keepers.list[i], names) : ask(&keepers.list[i], NULL);
                status = status == TOOL_OK ? r : status;
        }
        take_logs(state, names);
        return status;
}

static int run(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_down, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        return down(choices.state, (const char **) operands.list);
}

static const struct tool_option options[] = {
        TOOL_OPTION_STATE(struct choices, state),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_down = {
        .name = "down",
        .summary = "end the containers that mayfly up has started",
        .synopsis = "[OPTION]... [NAME]...",
        .description =
                "Ends the containers of these NAMEs, or all that mayfly up and mayfly run --detach have started, "
                "and waits until nothing is left of them. Without a NAME, prints what is known of those that had ended "
                "by "
                "themselves with a failure. It is no mistake if none runs.",
        .exit_status = "0, or 1 when there is no container of a NAME or one could not be ended, or 2 when the command "
                       "line is wrong.",
        .options = options,
        .more_operands = UINT_MAX,
        .run = run,
};
