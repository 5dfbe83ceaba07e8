/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/inspection.h"

static int run(int argc, char **argv)
{
        struct tool_inspect_choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct mayfly_inspection *image = NULL;
        struct tool_operands operands;
        int status = tool_parse(&tool_cat_manifest, argc, argv, &choices, &operands);

        if (status < 0)
                status = tool_inspect_operand(operands.list[0], &choices, &image);
        if (!image)
                return status;
        if (choices.pretty)
                printf("%s\n", image->manifest_pretty);
        else
                fwrite(image->manifest, 1, image->manifest_size, stdout);
        mayfly_inspection_free(image);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        { .name = "pretty", .at = offsetof(struct tool_inspect_choices, pretty), .help = "indent it" },
        TOOL_OPTION_STORE(struct tool_inspect_choices, image.store),
        TOOL_OPTION_ALLOW_HTTP(struct tool_inspect_choices, image.allow_http),
        TOOL_OPTION_QUIET(struct tool_inspect_choices, "show no progress"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "IMAGE", NULL };

const struct tool_command tool_cat_manifest = {
        .name = "cat-manifest",
        .summary = "print an image's manifest",
        .synopsis = "[OPTION]... IMAGE",
        .description = "Prints the manifest, byte by byte as it is in the image.\n" TOOL_INSPECT_OPERAND,
        .exit_status = "0, or 1 when there is no such image or it is not valid, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
