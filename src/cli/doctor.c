/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/container.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/text.h"
#include "container/container.h"
#include "host/host.h"
#include "util/macro.h"

struct choices {
        int json, quiet, profile;
        const char *store;
};

static const char *const status_names[] = { "ok", "warning", "missing" };

static void print_json(const struct mf_host_check *check, const struct mf_host_finding *finding)
{
        tool_json_open(NULL, '{');
        tool_json_text("name", check->name);
        tool_json_text("status", status_names[finding->status]);
        tool_json_bool("needed", (check->flags & MF_HOST_NEEDED) != 0);
        tool_json_text("message", finding->message);
        tool_json_text("remedy", *finding->remedy ? finding->remedy : NULL);
        tool_json_close('}');
}

static void print_line(const struct mf_host_check *check, const struct mf_host_finding *finding)
{
        printf("%-7s  %-25s  ", status_names[finding->status], check->name);
        tool_print_text(finding->message);
        printf("%s", *finding->remedy ? "; " : "");
        tool_print_text(finding->remedy);
        printf("\n");
}

/* Makes all checks and prints what they found. Returns how many needed things are missing. */
static unsigned examine(const struct mf_host *host, const struct choices *choices)
{
        struct mf_host_finding finding;
        unsigned missing = 0;

        for (size_t i = 0; i < mf_host_n_checks; i++) {
                if (!mf_host_run(&mf_host_checks[i], host, &finding))
                        continue;
                missing += finding.status == MF_HOST_MISSING;
                if (choices->json)
                        print_json(&mf_host_checks[i], &finding);
                else if (!choices->quiet || finding.status != MF_HOST_OK)
                        print_line(&mf_host_checks[i], &finding);
        }
        return missing;
}

static int print_profile(void)
{
        mf_cleanup(mf_freep) char *profile = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mf_host_apparmor_profile(&profile, &err) < 0)
                return tool_fail("%s", err.message);
        fputs(profile, stdout);
        return TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct choices choices = { 0 };
        struct tool_operands operands;
        const struct mf_engine_type *engine;
        int status = tool_parse(&tool_doctor, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (choices.profile)
                return print_profile();
        if (mf_engine_choose(MAYFLY_ENGINE_DEFAULT, &engine, &err) < 0)
                return tool_fail("%s", err.message);
        struct mf_host host = mf_host_of_caller(engine->id == MAYFLY_ENGINE_SYSTEMD);
        host.store = choices.store;
        if (choices.json)
                tool_json_open(NULL, '[');
        unsigned missing = examine(&host, &choices);
        if (choices.json)
                tool_json_close(']');
        else if (!choices.quiet && missing)
                printf("\nContainers cannot run here: %u thing%s missing.\n", missing, missing == 1 ? " is" : "s are");
        else if (!choices.quiet)
                printf("\nContainers can run here.\n");
        return missing ? TOOL_FAILED : TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_JSON(struct choices, "print an array with an object for each check"),
        TOOL_OPTION_QUIET(struct choices, "print only what is missing, and warnings"),
        { .name = "apparmor-profile",
          .at = offsetof(struct choices, profile),
          .help = "print the AppArmor profile for mayfly's programs, and check nothing" },
        TOOL_OPTION_STORE(struct choices, store),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_doctor = {
        .name = "doctor",
        .summary = "say whether containers can run here, and what to do",
        .synopsis = "[OPTION]...",
        .description =
                "Tries whatever containers need of this host, for the user who runs it, and prints a line for "
                "each: ok, missing or warning, and what to do. Run it as the user who will run the tests, in the "
                "same job or session.",
        .exit_status =
                "0 when containers can run, 1 when something that they need is missing, 2 when the command line is "
                "wrong.",
        .options = options,
        .run = run,
};
