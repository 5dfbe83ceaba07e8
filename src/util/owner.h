/* SPDX-License-Identifier: MIT */
#ifndef MF_OWNER_H
#define MF_OWNER_H

/* The owner of a file, for a process in a user namespace too, to which the IDs that have no name there look the same. */

#include <sys/types.h>

struct mf_owner {
        uid_t file, self; /* the owner, and the user this process acts for */
};

/* Sets *ret to the owner of an open file. Returns 0 or negative errno. */
int mf_owner_of(int fd, struct mf_owner *ret);

/* Sets the function that mf_owner_of() calls, in a program that has to ask outside of its namespace. */
void mf_owner_ask_with(int (*ask)(int fd, struct mf_owner *ret));

#endif
