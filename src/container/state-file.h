/* SPDX-License-Identifier: MIT */
#ifndef MF_STATE_FILE_H
#define MF_STATE_FILE_H

/* The state file of a shared container: JSON that tells other programs where the container can be reached. It is the only user of jansson
 * here. Nothing in it is trusted but that it is the user's own: the rest comes over the socket that it names. */

#include <limits.h>
#include <mayfly/error.h>
#include <stddef.h>

#include "util/runtime-dir.h"

struct mayfly_container;

/* A state file that has been written. */
struct mf_state_file {
        int directory; /* where it is, by O_PATH */
        int fd;        /* itself */
        char name[NAME_MAX + 1];
};

#define MF_STATE_FILE_NONE ((struct mf_state_file){ .directory = -1, .fd = -1 })

/* Writes the file by one rename, for its owner only. Returns 0 or negative errno with an error. */
int mf_state_file_write(const struct mayfly_container *container, const char *path, const char *socket,
                        struct mf_state_file *ret, struct mayfly_error *err);
void mf_state_file_clear(struct mf_state_file *file);

/* Writes the path of a state file by which the command finds the container under its name, and makes its directory. Returns 0 or negative
 * errno with an error. */
#define MF_STATE_FILE_PATH_MAX (MF_RUNTIME_DIR_MAX + 96)
int mf_state_file_choose(const struct mayfly_container *container, char ret[MF_STATE_FILE_PATH_MAX],
                         struct mayfly_error *err);

/* What an attaching process needs of it. */
struct mf_state {
        char *machine, *socket; /* allocated */
        int owner;              /* PID */
};

/* Reads a file that must be this user's. Returns 0 or negative errno with an error. */
int mf_state_read(const char *path, struct mf_state *ret, struct mayfly_error *err);
void mf_state_clear(struct mf_state *state);

/* Writes the path of the socket of a shared container of this user. */
void mf_share_socket_path(const char *machine, char *ret, size_t size);

/* Attaches to the container, as mayfly_container_attach() does. `file` is for messages. */
int mf_container_attach_to(struct mayfly_container **ret, const struct mf_state *state, const char *file,
                           int may_be_paused, struct mayfly_error *err);
/* Does the same for the container of a state file. */
int mf_container_attach_file(struct mayfly_container **ret, const char *file, int may_be_paused,
                             struct mayfly_error *err);

#endif
