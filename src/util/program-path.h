/* SPDX-License-Identifier: MIT */
#ifndef MF_PROGRAM_PATH_H
#define MF_PROGRAM_PATH_H

#include <mayfly/error.h>

/* Finds a helper program of mayfly: in $MAYFLY_LIBEXEC, else where it was installed together with this library or command.
 * *ret is an absolute path, allocated. Returns 0 or negative errno: -ENOEXEC when the program cannot be executed. */
int mf_program_path(const char *name, char **ret, struct mayfly_error *err);

#endif
