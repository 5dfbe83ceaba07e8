/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_INSPECTION_H
#define MF_CLI_INSPECTION_H

/* What validate, inspect and cat-manifest have in common. */

#include <mayfly/inspect.h>

/* The words for enum mayfly_kind: those of actool, and those for people. */
extern const char *const tool_kinds[];
extern const char *const tool_kind_names[];

struct tool_inspect_choices {
        int json, pretty, quiet;
        struct mayfly_image_options image;
};

/* Looks at an operand: a file if there is one of that name or it is a path, else an image. Returns TOOL_OK, or
 * complains and returns TOOL_FAILED. */
int tool_inspect_operand(const char *operand, const struct tool_inspect_choices *choices,
                         struct mayfly_inspection **ret);

#define TOOL_INSPECT_OPERAND                                                                                          \
        "IMAGE is a file or directory, with \"-\" for standard input, or the ID of an image in the store, which may " \
        "be shortened, or a "                                                                                         \
        "reference as for mayfly pin. What begins with /, ./ or ../ or ends in .aci is the path of a file. What is "  \
        "not stored is read where it is, and is not kept."

#endif
