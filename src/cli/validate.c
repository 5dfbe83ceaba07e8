/* SPDX-License-Identifier: MIT */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/inspection.h"
#include "cli/json.h"
#include "cli/operand.h"
#include "cli/text.h"
#include "util/text.h"

struct choices {
        int json, quiet;
        enum mayfly_kind kind;
};

/* What is odd about the name of a file with an image, which the specification wants to end in .aci; NULL for nothing.
 */
static const char *name_warning(const char *file, const struct mayfly_inspection *found)
{
        if (found->kind != MAYFLY_KIND_APPIMAGE || strcmp(file, "-") == 0)
                return NULL;
        return mf_ending(file, ".aci") ? NULL : "its name does not end in .aci";
}

static void print_json(const char *file, const struct mayfly_inspection *found, const struct mayfly_error *err)
{
        tool_json_open(NULL, '{');
        tool_json_text("file", file);
        tool_json_bool("valid", found != NULL);
        if (!found) {
                tool_json_text("error", err->message);
                tool_json_close('}');
                return;
        }
        const char *warning = name_warning(file, found);
        tool_json_text("type", tool_kinds[found->kind]);
        tool_json_text("name", found->name);
        if (found->id)
                tool_json_text("id", found->id);
        tool_json_open("warnings", '[');
        if (warning)
                tool_json_text(NULL, warning);
        for (const char *const *w = found->warnings; *w; w++)
                tool_json_text(NULL, *w);
        tool_json_close(']');
        tool_json_close('}');
}

/* "FILE: WHAT: TEXT" */
static void print_line(const char *file, const char *what, const char *text)
{
        tool_print_text(file);
        printf(": %s", what);
        tool_print_text(text);
        printf("\n");
}

static void print(const char *file, const struct mayfly_inspection *found, const struct mayfly_error *err, int quiet)
{
        char valid[64];

        if (!found) {
                print_line(file, "invalid: ", err->message);
                return;
        }
        if (quiet)
                return;
        snprintf(valid, sizeof(valid), "valid %s%s", tool_kind_names[found->kind], found->id ? ", " : "");
        print_line(file, valid, found->id ? found->id : "");
        const char *warning = name_warning(file, found);
        if (warning)
                print_line(file, "warning: ", warning);
        for (const char *const *w = found->warnings; *w; w++)
                print_line(file, "warning: ", *w);
}

static int validate(const char *file, const struct choices *choices)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_inspection *found = NULL;
        int r = mayfly_inspect_file(&found, tool_open_path(file), choices->kind, &err);

        if (choices->json)
                print_json(file, found, &err);
        else
                print(file, found, &err, choices->quiet);
        mayfly_inspection_free(found);
        return r < 0 ? TOOL_FAILED : TOOL_OK;
}

static int run(int argc, char **argv)
{
        struct choices choices = { 0 };
        struct tool_operands operands;
        int status = tool_parse(&tool_validate, argc, argv, &choices, &operands);

        if (status >= 0)
                return status;
        status = TOOL_OK;
        if (choices.json)
                tool_json_open(NULL, '[');
        for (size_t i = 0; i < operands.n; i++)
                if (validate(operands.list[i], &choices) != TOOL_OK)
                        status = TOOL_FAILED;
        if (choices.json)
                tool_json_close(']');
        return status;
}

static const struct tool_option options[] = {
        { .name = "type",
          .kind = TOOL_WORD,
          .at = offsetof(struct choices, kind),
          .value = "TYPE",
          .words = tool_kinds + MAYFLY_KIND_APPIMAGE,
          .first = MAYFLY_KIND_APPIMAGE,
          .help = "what the files must be: appimage, manifest, layout or oci" },
        TOOL_OPTION_JSON(struct choices, "print an array"),
        TOOL_OPTION_QUIET(struct choices, "print only what is not valid"),
        TOOL_OPTIONS_END,
};
static const char *const operand_names[] = { "FILE", NULL };

const struct tool_command tool_validate = {
        .name = "validate",
        .summary = "check images, manifests and layouts against their specifications",
        .synopsis = "[OPTION]... FILE...",
        .description =
                "Checks images (.aci), manifests (JSON) and layouts (a directory with a manifest and a rootfs) "
                "against all the rules of the appc specification, and OCI images (a layout, an archive of one, or "
                "of docker save) against those of the OCI image specification: all digests, sizes and layers. The "
                "content of a file decides what it is. "
                "\"-\" is standard input.",
        .exit_status = "0, or 1 when a file is not valid or cannot be read, or 2 when the command line is wrong.",
        .options = options,
        .operands = operand_names,
        .more_operands = UINT_MAX,
        .run = run,
};
