/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include <mayfly/build.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/pin.h"

struct choices {
        struct mayfly_build_options build;
        int json, quiet;
};

static int run(int argc, char **argv)
{
        struct choices choices = { .build = MAYFLY_BUILD_OPTIONS_INIT };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        struct mayfly_pin *pin = NULL;
        int status = tool_parse(&tool_convert, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        choices.build.warning = tool_warn;
        if (mayfly_image_convert(&pin, operands.list[0], operands.list[1], &choices.build, &err) < 0)
                return tool_fail("%s", err.message);
        tool_print_built(pin, choices.json, choices.quiet);
        mayfly_pin_free(pin);
        return TOOL_OK;
}

static const struct tool_option options[] = {
        { .name = "name",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, build.name),
          .value = "NAME",
          .help = "the name of the ACI; default that of the repository or file" },
        TOOL_OPTION_COMPRESSION(struct choices, build.compression),
        TOOL_OPTION_JSON(struct choices, "print an object"),
        TOOL_OPTION_QUIET(struct choices, "print the reference alone"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "IMAGE", "OUTPUT", NULL };

const struct tool_command tool_convert = {
        .name = "convert",
        .summary = "make an ACI of an OCI image, or an OCI image of an ACI",
        .synopsis = "[OPTION]... IMAGE OUTPUT",
        .description =
                "Makes an ACI of an OCI image: a reference (\"oci:redis:7.2\"), a layout, or an archive. Makes an OCI "
                "image of the file of an ACI: a layout if OUTPUT ends in / or is a directory, else an archive of one. "
                "All layers become one. Prints the reference that pins the new image. The same input gives the same "
                "bytes.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .run = run,
};
