/* SPDX-License-Identifier: MIT */
#ifndef MF_PRIVILEGE_USERNS_H
#define MF_PRIVILEGE_USERNS_H

/* The user namespace of an ordinary user's program. 0 in it is the user and the user's group; the IDs from 1 on are the
 * user's subordinate ones, of /etc/subuid and /etc/subgid. */

#include <mayfly/error.h>

/* Whether this process must leave to mayfly-helper what needs privilege. */
int mf_privilege_is_delegated(void);

/*
 * Returns the program's user namespace, which is made when it is needed first. *ret_fd is borrowed and close-on-exec, and
 * stays valid after fork(2). A process of the user joins by setns(*ret_fd, CLONE_NEWUSER). Returns 0 or negative errno.
 */
int mf_userns_get(int *ret_fd, struct mayfly_error *err);

#endif
