/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <mayfly/store.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/operand.h"
#include "cli/text.h"

struct choices {
        int quiet;
        struct mayfly_verify_options verify;
};

/* Told of each thing that the library looks at. */
static int report(const struct mayfly_store_report *report, void *userdata)
{
        const struct choices *choices = userdata;
        const char *kind = strstr(report->path, "/layers/") ? "layer " : "";

        if (report->event == MAYFLY_STORE_SOUND && !choices->quiet) {
                printf("sound    %s\n", report->image);
        } else if (report->event == MAYFLY_STORE_DIFFERS) {
                printf("differs  ");
                tool_print_text(report->path);
                printf(": %s\n", report->what);
        } else if (report->event == MAYFLY_STORE_DAMAGED) {
                printf("damaged  %s%s\n", kind, report->image);
        } else if (report->event == MAYFLY_STORE_DROPPED) {
                printf("dropped  %s%s\n", kind, report->image);
        }
        return 0;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .verify = MAYFLY_VERIFY_OPTIONS_INIT };
        struct mayfly_verify_result result = MAYFLY_VERIFY_RESULT_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        char read[32], id[TOOL_ID_MAX];
        int status = tool_parse(&tool_verify, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        choices.verify.report = report;
        choices.verify.userdata = &choices;
        if (tool_check_store(choices.verify.store) != TOOL_OK)
                return TOOL_FAILED;
        choices.verify.image = operands.list[0];
        if (choices.verify.image && tool_complete_id(&choices.verify.image, choices.verify.store, id) != TOOL_OK)
                return TOOL_FAILED;
        int r = mayfly_store_verify(&result, &choices.verify, &err);
        if (!choices.quiet && (r == 0 || result.images > 0))
                printf("%" PRIu64 " image%s verified, %" PRIu64 " damaged, %" PRIu64 " dropped; %s read\n",
                       result.images, tool_plural(result.images), result.damaged, result.dropped,
                       tool_size(result.bytes, read));
        if (r < 0)
                return tool_fail("%s", err.message);
        return result.damaged || result.damaged_layers ? TOOL_FAILED : TOOL_OK;
}

static const struct tool_option options[] = {
        { .name = "keep", .at = offsetof(struct choices, verify.keep), .help = "leave damaged images where they are" },
        TOOL_OPTION_STORE(struct choices, verify.store),
        TOOL_OPTION_QUIET(struct choices, "print only what is damaged"),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_verify = {
        .name = "verify",
        .summary = "compare the images of the store with what was published",
        .synopsis = "[OPTION]... [IMAGE]",
        .description = "Compares the store's images, or one of them, with the records made when they were published, "
                       "and prints what differs. A damaged image is dropped: its next user fetches it again.\n"
                       "IMAGE is an image ID, sha512-..., which may be shortened, or a reference that ends in one.",
        .exit_status = "0 when all is as it was published, 1 when it is not or could not be read, 2 when the command "
                       "line is wrong.",
        .options = options,
        .more_operands = 1,
        .extra = "one image at a time, or all",
        .run = run,
};
