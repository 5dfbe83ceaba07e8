/* SPDX-License-Identifier: MIT */
#ifndef MF_TEMPORARY_H
#define MF_TEMPORARY_H

/* Temporary files and directories, in $TMPDIR or else in /var/tmp, which is meant for large ones, or /tmp. `*ret_directory` is for messages:
 * where it is or should have been. */

#include <limits.h>

/* Makes a file without a name, for reading and writing. Whatever becomes of the process, nothing is left of it. Returns a descriptor or
 * negative errno. */
int mf_temporary_file(const char **ret_directory);

struct mf_temporary {
        char path[PATH_MAX]; /* absolute */
        int fd;              /* the directory, with an exclusive flock */
};

#define MF_TEMPORARY_NONE ((struct mf_temporary){ .fd = -1 })

/* Makes a directory with mode 0700. One that a killed process has left is removed by the next process that makes one. Returns 0 or negative
 * errno, and then there is nothing to remove. */
int mf_temporary_make(struct mf_temporary *ret, const char **ret_directory);
/* Removes it with all that is in it. */
void mf_temporary_remove(struct mf_temporary *temporary);

/* Removes what killed processes of this user have left. */
void mf_temporary_sweep(void);

#endif
