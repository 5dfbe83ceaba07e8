/* SPDX-License-Identifier: MIT */
#include "ready/system.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"

/* The state of systemd in a container, as its own commands tell it. */

#define UNITS_MAX 16U  /* of which the journal is shown */
#define TEXT_MAX 2400U /* how much of these lines */

static void free_resultp(struct mayfly_result **result)
{
        mayfly_result_free(*result);
}

/* Takes the first word of each line. Returns how many there are; ret[] is of that length at most. */
static size_t take_units(char *lines, const char *ret[UNITS_MAX])
{
        size_t n = 0;

        for (char *rest = NULL, *line = strtok_r(lines, "\n", &rest); line && n < UNITS_MAX;
             line = strtok_r(NULL, "\n", &rest)) {
                line[strcspn(line, " ")] = '\0';
                if (*line)
                        ret[n++] = line;
        }
        return n;
}

/* Gets the end of the journal of these units. *ret stays NULL if there is none. */
static void read_journal(struct mayfly_container *container, const char *const *units, size_t n,
                         struct mayfly_result **ret)
{
        const char *argv[5 + 2 * UNITS_MAX + 1] = { "journalctl", "--no-pager", "--quiet", "--output=cat",
                                                    "--lines=20" };

        for (size_t i = 0; i < n; i++) {
                argv[5 + 2 * i] = "--unit";
                argv[5 + 2 * i + 1] = units[i];
        }
        (void) mayfly_container_run(
                container, &(const struct mayfly_command){ .size = sizeof(struct mayfly_command), .argv = argv }, ret,
                NULL);
}

/* Sets the error of a system that is "degraded", as systemd calls it when units have failed. */
static int explain(struct mayfly_container *container, const char *state, struct mayfly_error *err)
{
        static const char *const argv[] = { "systemctl",  "list-units", "--state=failed", "--plain", "--no-legend",
                                            "--no-pager", NULL };
        mf_cleanup(free_resultp) struct mayfly_result *list = NULL;
        mf_cleanup(free_resultp) struct mayfly_result *journal = NULL;
        const char *units[UNITS_MAX];
        char names[512] = "";

        int r = mayfly_container_run(
                container, &(const struct mayfly_command){ .size = sizeof(struct mayfly_command), .argv = argv }, &list,
                err);
        if (r < 0)
                return r;
        size_t n = take_units(list->out, units), used = 0;
        for (size_t i = 0; i < n && used < sizeof(names); i++)
                used += (size_t) snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "", units[i]);
        if (n > 0)
                read_journal(container, units, n, &journal);
        const char *text = journal ? journal->out : "";
        size_t length = strlen(text);
        return mf_error(err, -EPROTO, MAYFLY_STAGE_WAIT,
                        "systemd in container %s is %s%s%s; mask what cannot run in a container, or accept it with "
                        ".wait = MAYFLY_WAIT(MAYFLY_WAIT_NOTIFY()); the end of the journal of these units:\n%s",
                        mayfly_container_name(container), state, n ? ", because these units have failed: " : "", names,
                        length > TEXT_MAX ? text + length - TEXT_MAX : text);
}

int mf_system_check(struct mayfly_container *container, struct mayfly_error *err)
{
        static const char *const argv[] = { "systemctl", "is-system-running", "--wait", NULL };
        mf_cleanup(free_resultp) struct mayfly_result *result = NULL;

        int r = mayfly_container_run(
                container, &(const struct mayfly_command){ .size = sizeof(struct mayfly_command), .argv = argv },
                &result, err);
        if (r < 0)
                return r;
        result->out[strcspn(result->out, "\n")] = '\0';
        if (strcmp(result->out, "running") == 0)
                return 0;
        return explain(container, *result->out ? result->out : "in no state that it tells", err);
}
