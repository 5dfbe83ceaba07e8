/* SPDX-License-Identifier: MIT */
#ifndef MF_LOG_DIR_H
#define MF_LOG_DIR_H

/* The directory $MAYFLY_LOG_DIR, where logs and traces are kept: see mayfly(7). What cannot be kept there fails nothing. */

#include <stddef.h>

/* Whether there is one. */
int mf_log_dir_is_set(void);

/* Writes the path of the file "NAME-WITHOUT-ODD-CHARACTERS" SUFFIX in the directory. Returns 0 or -ENAMETOOLONG. */
int mf_log_dir_path(const char *name, const char *suffix, char *ret, size_t size);

/* Makes the directory, if only its last part is missing, and opens the file "NAME" SUFFIX there, a new one or one of before. Returns a
 * descriptor, or -1 when there is no such directory or, after a warning, when it cannot be written. */
int mf_log_dir_open(const char *name, const char *suffix);

/* Prints, once in a process, that the directory cannot be written. */
void mf_log_dir_warn(int code);

#endif
