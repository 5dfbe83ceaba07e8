/* SPDX-License-Identifier: MIT */
#include "cli/inspection.h"

#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/operand.h"

const char *const tool_kinds[] = { NULL, "appimage", "manifest", "layout", "oci", NULL };
const char *const tool_kind_names[] = { "file", "image", "manifest", "layout", "OCI image" };

static int inspect_image(const char *operand, const struct tool_inspect_choices *choices,
                         struct mayfly_inspection **ret, struct mayfly_error *err)
{
        struct mayfly_image_options options = choices->image;
        struct mf_progress_printer printer;

        tool_show_progress(choices->quiet, &printer, &options);
        int r = mayfly_inspect_image(ret, operand, &options, err);
        mf_progress_finish(&printer);
        return r;
}

int tool_inspect_operand(const char *operand, const struct tool_inspect_choices *choices,
                         struct mayfly_inspection **ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        const char *path = tool_open_path(operand);
        const char *image = operand;
        char id[TOOL_ID_MAX];
        int r;

        if (tool_is_path(operand) && tool_check_path(operand) != TOOL_OK)
                return TOOL_FAILED;
        if (tool_is_path(operand) || access(path, F_OK) == 0)
                r = mayfly_inspect_file(ret, path, MAYFLY_KIND_ANY, &err);
        else if (tool_complete_id(&image, choices->image.store, id) != TOOL_OK)
                return TOOL_FAILED;
        else
                r = inspect_image(image, choices, ret, &err);
        return r < 0 ? tool_fail("%s: %s", operand, err.message) : TOOL_OK;
}
