/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <mayfly/image.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/operand.h"

struct choices {
        int quiet;
        struct mayfly_image_options image;
};

static int run(int argc, char **argv)
{
        struct choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_progress_printer printer;
        struct mayfly_image *image = NULL;
        struct tool_operands operands;
        int status = tool_parse(&tool_pull, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (tool_is_path(operands.list[0]))
                return tool_usage("pull", "'%s' is a path, not a reference; mayfly pin prints the reference of a file",
                                  operands.list[0]);
        tool_show_progress(choices.quiet, &printer, &choices.image);
        int r = mayfly_image_open(&image, operands.list[0], &choices.image, &err);
        mf_progress_finish(&printer);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (!choices.quiet)
                printf("%s  %s\n", mayfly_image_was_fetched(image) ? "fetched" : "stored ", mayfly_image_id(image));
        mayfly_image_close(image);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        TOOL_OPTION_STORE(struct choices, image.store),
        TOOL_OPTION_QUIET(struct choices, "print errors alone"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, image.allow_http),
        TOOL_OPTION_SIGNATURES(struct choices, image.signatures, "off"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "REFERENCE", NULL };

const struct tool_command tool_pull = {
        .name = "pull",
        .summary = "fetch an image into the store",
        .synopsis = "[OPTION]... REFERENCE",
        .description = "Fetches the image of a pinned reference, and all that it depends on, into the store, where "
                       "tests then find it, and prints its ID.",
        .exit_status = "0, or 1 when it could not be fetched, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
