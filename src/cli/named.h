/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_NAMED_H
#define MF_CLI_NAMED_H

/* Containers by their names: NAME has the state file NAME.json in a directory, which is the user's own unless --state names another. The
 * file is there while the container runs; mayfly-launch removes it. `state` is that other directory, or NULL. */

#include <stddef.h>

#include <mayfly/share.h>

#define TOOL_STATE_SUFFIX ".json" /* of a container's state file */
#define TOOL_END_SUFFIX ".end"    /* of the file that says how a container has ended by itself */
#define TOOL_STATE_PATH_MAX 4096U

/* A container that has a name. */
struct tool_named {
        char *name, *machine;
        char *socket; /* where it is attached to */
        int owner;    /* PID */
};

struct tool_named_list {
        struct tool_named *entries;
        size_t n, allocated;
};

/* Writes the path of the directory. It may not be there yet. */
void tool_state_directory(const char *state, char ret[TOOL_STATE_PATH_MAX]);

/* Writes the path of what belongs to the container in the directory. */
void tool_state_path(const char *state, const char *name, const char *suffix, char ret[TOOL_STATE_PATH_MAX]);

/* Returns NULL for a name that a container may have, else what to write instead. */
const char *tool_name_fault(const char *name);
/* Whether a container may have this name. Returns TOOL_OK, or complains and returns TOOL_USAGE. */
int tool_check_name(const char *command, const char *name);

/* Returns 0, or -EEXIST with an error when a container that runs has the name. To be asked before a start, to save that. */
int tool_name_is_free(const char *state, const char *name, struct mayfly_error *err);

/* Shares the container by its name, or by that of its machine for NULL. Returns 0 or negative errno with an error: -EEXIST as above. */
int tool_share(struct mayfly_container *container, const char *state, const char *name, struct mayfly_error *err);

/* Attaches to the container of a name, of a machine's name, or of a state file's path, which has a slash; the beginning of a name will do
 * when there is only one. Returns 0 or negative errno with an error, which says which name was meant. */
int tool_find(const char *state, const char *name, struct mayfly_container **ret, struct mayfly_error *err);
/* Does the same. Returns TOOL_OK, or complains and returns TOOL_FAILED. */
int tool_attach(const char *state, const char *name, struct mayfly_container **ret);
/* Does the same for one that may be paused: for what needs no process in it. */
int tool_attach_paused(const char *state, const char *name, struct mayfly_container **ret);
#define TOOL_NAME_MAX 256U
/* Writes the whole name of the container that a name, its beginning or its machine's name means. Returns 1, or 0 for none. */
int tool_whole_name(const char *state, const char *word, char ret[TOOL_NAME_MAX]);

/* Whether the container of a machine's name is shared by a program of this user. */
int tool_is_shared(const char *machine);

/* Lists the containers that have names, sorted by them. Returns 0 or negative errno; a directory that is not there has none. */
int tool_list_named(const char *state, struct tool_named_list *ret);
/* Their names, in *list: an allocated list that ends with NULL, to be freed alone. Complains and returns NULL. */
char **tool_names(const char *state, struct tool_named_list *list);
void tool_named_list_clear(struct tool_named_list *list);

#endif
