/* SPDX-License-Identifier: MIT */
#ifndef MF_DEBUGGER_H
#define MF_DEBUGGER_H

/* gdb, for files that a container made and that may be made to deceive it. */

#include <mayfly/error.h>

#include "util/buffer.h"

/* Runs gdb with these words, a short NULL-terminated list, after others that let it run nothing of what it reads: as nobody where the
 * caller is root, else as the caller, without network, without a file that it could write to, and for a limited time. Appends what it
 * prints. Returns 0, whatever gdb thinks, or a negative errno: -ENOPKG without gdb, -ETIMEDOUT, -EFBIG when it prints more than a MiB. */
int mf_debugger_run(const char *const *words, struct mf_buffer *ret, struct mayfly_error *err);

/* Lets mf_debugger_run() read the file or directory `name` of `dirfd`, but not write there, and others do neither. Returns 0 or negative errno. */
int mf_debugger_give(int dirfd, const char *name);

#endif
