/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_DECLARATION_KEYS_H
#define MF_CLI_DECLARATION_KEYS_H

/* The parts of a declaration's reader. */

#include "cli/declaration.h"
#include "cli/reader.h"

/* Reads a container. *to is a struct declared, with its name. */
int declaration_take_container(const struct reader *reader, const struct place *place, json_t *value, void *to);

/* Reads a list of conditions. *to is a const struct mayfly_wait *. */
int declaration_take_wait(const struct reader *reader, const struct place *place, json_t *value, void *to);

#endif
