/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_PIN_H
#define MF_CLI_PIN_H

/* What `mayfly pin` and `mayfly build` both print of an image. */

#include <mayfly/image.h>

/* Reference, name, labels and sizes; as JSON, members of an object that the caller opens and closes. */
void tool_print_pin(const struct mayfly_pin *pin);
void tool_print_pin_json(const struct mayfly_pin *pin);

#endif
