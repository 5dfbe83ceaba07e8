/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include <mayfly/build.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/pin.h"

struct choices {
        struct mayfly_build_options build;
        const char **labels, **env;
        int json, quiet;
};

/* What options and operands say together. Returns -1 when it makes sense, else the exit status. */
static int check(const struct choices *choices, const struct tool_operands *operands)
{
        const struct mayfly_build_options *build = &choices->build;

        if (build->manifest && (build->name || choices->labels || build->user || build->group || choices->env ||
                                build->cwd || operands->program))
                return tool_usage("build",
                                  "--manifest describes the whole image; leave out the options that describe it, too");
        if (!build->manifest && !build->name)
                return tool_usage("build", "either --name or --manifest must be given");
        if (operands->program && !operands->program[0])
                return tool_usage("build", "there is no program after '--'");
        return -1;
}

static int run(int argc, char **argv)
{
        struct choices choices = { .build = MAYFLY_BUILD_OPTIONS_INIT };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct tool_operands operands;
        struct mayfly_pin *pin = NULL;
        int status = tool_parse(&tool_build, argc, argv, &choices, &operands);

        if (status < 0)
                status = check(&choices, &operands);
        if (status >= 0)
                return status;
        const char *rootfs = strcmp(operands.list[0], "-") == 0 ? "/dev/stdin" : operands.list[0];
        choices.build.labels = choices.labels;
        choices.build.env = choices.env;
        choices.build.exec = (const char *const *) operands.program;
        choices.build.warning = tool_warn;
        if (mayfly_image_build(&pin, rootfs, operands.list[1], &choices.build, &err) < 0)
                return tool_fail("%s", err.message);
        tool_print_built(pin, choices.json, choices.quiet);
        mayfly_pin_free(pin);
        return TOOL_OK;
}

#define TEXT(option, field, metavar, text)                                                                  \
        {                                                                                                   \
                .name = option, .kind = TOOL_TEXT, .at = offsetof(struct choices, field), .value = metavar, \
                .help = text                                                                                \
        }
#define LIST(option, field, metavar, text)                                                                  \
        {                                                                                                   \
                .name = option, .kind = TOOL_LIST, .at = offsetof(struct choices, field), .value = metavar, \
                .help = text                                                                                \
        }

static const struct tool_option options[] = {
        TEXT("manifest", build.manifest, "FILE", "the image manifest, which describes the whole image; without it:"),
        TEXT("name", build.name, "NAME", "the image's name, such as example.com/redis"),
        LIST("label", labels, "NAME=VALUE", "a label; may be repeated. os and arch default to this host's"),
        TEXT("user", build.user, "USER", "the app's user; default 0"),
        TEXT("group", build.group, "GROUP", "the app's group; default 0"),
        LIST("env", env, "NAME=VALUE", "a variable of the app's environment; may be repeated"),
        TEXT("cwd", build.cwd, "DIRECTORY", "the app's working directory; default /"),
        TOOL_OPTION_COMPRESSION(struct choices, build.compression),
        { .name = "owner-root",
          .at = offsetof(struct choices, build.owner_root),
          .help = "all files belong to root, whoever owns them now" },
        { .name = "oci",
          .at = offsetof(struct choices, build.oci),
          .help = "an OCI image: a layout if IMAGE ends in / or is a directory, else an archive of one" },
        TOOL_OPTION_JSON(struct choices, "print an object"),
        TOOL_OPTION_QUIET(struct choices, "print the reference alone"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "ROOTFS", "IMAGE", NULL };

const struct tool_command tool_build = {
        .name = "build",
        .summary = "make an image of a root file system",
        .synopsis = "[OPTION]... ROOTFS IMAGE [-- PROGRAM [ARGUMENT]...]",
        .description = "Makes an image (ACI, or with --oci an OCI image) of a root file system: a directory, or a tar "
                       "archive (\"-\" is standard "
                       "input). Prints the reference that pins it. The same input gives the same bytes. PROGRAM is the "
                       "image's app.\n"
                       "With SOURCE_DATE_EPOCH in the environment, no file in the image is newer than that.",
        .exit_status = "0, or 1 when it could not be done, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .extra = "the image's program stands after '--'",
        .has_program = 1,
        .run = run,
};
