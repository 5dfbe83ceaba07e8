/* SPDX-License-Identifier: MIT */
#ifndef MF_RUNTIME_DIR_H
#define MF_RUNTIME_DIR_H

/* The directory of this user's sockets and state files, which no container sees. */

#include <mayfly/error.h>

#define MF_RUNTIME_DIR_MAX 64U

/* Writes its path. It may not be there yet. */
void mf_runtime_dir(char ret[MF_RUNTIME_DIR_MAX]);

/* Makes the directory `path` if it is not there; it must be this user's alone. Returns 0 or negative errno with an error. */
int mf_runtime_dir_make(const char *path, struct mayfly_error *err);

/* Does that, opens the directory, and has it for this process alone until mf_unlock(). Returns 0 or negative errno with an error. */
int mf_runtime_dir_lock(const char *path, int *ret, struct mayfly_error *err);

#endif
