/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_PIN_H
#define MF_CLI_PIN_H

/* What `mayfly pin`, `mayfly build` and `mayfly convert` have in common. */

#include <mayfly/image.h>

/* Reference, name, labels and sizes; as JSON, members of an object that the caller opens and closes. */
void tool_print_pin(const struct mayfly_pin *pin);
void tool_print_pin_json(const struct mayfly_pin *pin);

/* An image that was made: all of it, an object, or the reference alone. */
void tool_print_built(const struct mayfly_pin *pin, int json, int quiet);

/* The words of --compression, from MAYFLY_COMPRESSION_GZIP on. */
extern const char *const tool_compressions[];
#define TOOL_OPTION_COMPRESSION(type, field)                                                            \
        {                                                                                               \
                .name = "compression", .kind = TOOL_WORD, .at = offsetof(type, field), .value = "KIND", \
                .words = tool_compressions, .first = MAYFLY_COMPRESSION_GZIP,                           \
                .help = "gzip (default), xz or none; the image ID is the same"                          \
        }

#endif
