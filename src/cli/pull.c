/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <mayfly/image.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/lock.h"
#include "cli/operand.h"
#include "util/fd.h"
#include "util/macro.h"

struct choices {
        int quiet;
        const char *from;
        struct mayfly_image_options image;
};

static int pull(const struct choices *choices, const char *reference)
{
        struct mayfly_image_options options = choices->image;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_progress_printer printer;
        struct mayfly_image *image = NULL;

        int status = tool_check_reference("pull", reference);
        if (status != TOOL_OK)
                return status;
        options.fetch = MAYFLY_FETCH_MISSING; /* that is what this command is for */
        tool_show_progress(choices->quiet, &printer, &options);
        int r = mayfly_image_open(&image, reference, &options, &err);
        mf_progress_finish(&printer);
        if (r < 0)
                return tool_fail("%s", err.message);
        if (!choices->quiet)
                printf("%s  %s\n", mayfly_image_was_fetched(image) ? "fetched" : "stored ", mayfly_image_id(image));
        mayfly_image_close(image);
        return TOOL_OK;
}

/* Pulls what the lines of the file say, and goes on after one that fails. */
static int pull_lines(const struct choices *choices, FILE *file, const char *name)
{
        mf_cleanup(mf_freep) char *line = NULL;
        int status = TOOL_OK;
        size_t size = 0;
        int more;

        for (unsigned n = 1; (more = tool_lock_line(file, &line, &size, name)) > 0; n++) {
                char *reference;
                int r = tool_line_reference(line, &reference);
                if (reference)
                        r = pull(choices, reference);
                if (r != TOOL_OK)
                        (void) tool_fail("that was line %u of %s", n, name);
                status = status == TOOL_OK ? r : status;
        }
        return more < 0 ? -more : status;
}

static int pull_from(const struct choices *choices)
{
        if (strcmp(choices->from, "-") == 0)
                return pull_lines(choices, stdin, "standard input");
        mf_cleanup(mf_fclosep) FILE *file = fopen(choices->from, "re");
        if (!file)
                return tool_fail("%s cannot be opened: %s; give the path of a file that mayfly pin --lock, or "
                                 "mayfly_write_lock() of CMake, has written",
                                 choices->from, strerror(errno));
        return pull_lines(choices, file, choices->from);
}

static int run(int argc, char **argv)
{
        struct choices choices = { .image = MAYFLY_IMAGE_OPTIONS_INIT };
        struct tool_operands operands;
        int status = tool_parse(&tool_pull, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        if (!choices.from && operands.n == 0)
                return tool_usage("pull", "missing operand REFERENCE, or --from=FILE");
        status = choices.from ? pull_from(&choices) : TOOL_OK;
        for (size_t i = 0; i < operands.n; i++) {
                int r = pull(&choices, operands.list[i]);
                status = status == TOOL_OK ? r : status;
        }
        return status;
}

static const struct tool_option options[] = {
        { .name = "from",
          .kind = TOOL_TEXT,
          .at = offsetof(struct choices, from),
          .value = "FILE",
          .help = "pull the references that FILE has, one a line; '#' begins a comment; '-' is standard input" },
        TOOL_OPTION_STORE(struct choices, image.store),
        TOOL_OPTION_QUIET(struct choices, "print errors alone"),
        TOOL_OPTION_ALLOW_HTTP(struct choices, image.allow_http),
        TOOL_OPTION_SIGNATURES(struct choices, image.signatures, "off"),
        TOOL_OPTIONS_END,
};

const struct tool_command tool_pull = {
        .name = "pull",
        .summary = "fetch images into the store",
        .synopsis = "[OPTION]... REFERENCE...\n[OPTION]... --from=FILE",
        .description = "Fetches the images of pinned references, and all that they depend on, into the store, where "
                       "tests then find them, and prints their IDs. One that fails does not keep it from the others.",
        .exit_status = "0, or 1 when one could not be fetched, or 2 when the command line is wrong.",
        .options = options,
        .more_operands = UINT_MAX,
        .run = run,
};
