/* SPDX-License-Identifier: MIT */
#ifndef MF_DIR_NAMES_H
#define MF_DIR_NAMES_H

#include <stddef.h>

/* Reads the names of all that is in the directory `fd`, without "." and "..", sorted by their bytes. *ret is NULL-terminated, to be
 * freed by mf_strv_free(). Returns 0 or negative errno. */
int mf_dir_names(int fd, char ***ret);
/* The same, but -EFBIG when there are more than `max`. */
int mf_dir_names_up_to(int fd, size_t max, char ***ret);

#endif
