/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_KEEPERS_H
#define MF_CLI_KEEPERS_H

/* This user's keepers, as others see them. */

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "cli/control.h"

struct keeper_found {
        pid_t pid;
        int fd;             /* a connection to it */
        int process;        /* pidfd, or -1: it has ended */
        json_t *containers; /* list of their names */
};

struct keepers {
        struct keeper_found *list;
        size_t n, allocated;
};

/* Writes the ID of keepers with this directory of --state, whatever its path, or with the default for NULL. */
void keepers_id(const char *state, char ret[CONTROL_ID_MAX]);

/* Finds the keepers whose containers have their state files in this directory (NULL: the default). Returns 0 or negative errno with an
 * error. keepers_clear() is to be called in either case. */
int keepers_find(const char *state, struct keepers *ret, struct mayfly_error *err);
void keepers_clear(struct keepers *keepers);

/* Returns the keeper of the container of this name, or NULL. */
const struct keeper_found *keepers_have(const struct keepers *keepers, const char *name);

/* Does the same for the beginning of a name, if only one begins so, too. Sets *name to the whole name. */
const struct keeper_found *keepers_complete(const struct keepers *keepers, const char **name);

/* Sends a question, which it releases. Returns the answer for json_decref(), or NULL when the keeper has none. */
json_t *keepers_question(const struct keeper_found *keeper, json_t *question);

/* down.c: has the keeper end one of its containers, and waits for that. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int keepers_end(const struct keeper_found *keeper, const char *name);

/* life.c: sends a request about a container, which it releases, and waits for the answer. Returns TOOL_OK, or complains and returns
 * TOOL_FAILED. */
int keepers_ask(const struct keeper_found *keeper, const char *name, json_t *request);

/* Complains that there is no container of this name that has a keeper. Returns TOOL_FAILED. */
int keepers_complain(const struct keepers *keepers, const char *name);

#endif
