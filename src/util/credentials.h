/* SPDX-License-Identifier: MIT */
#ifndef MF_CREDENTIALS_H
#define MF_CREDENTIALS_H

#include <stdint.h>
#include <sys/types.h>

/* Becomes `uid` and `gid`, without other groups, for good: keeps only `capabilities`, a bit for each, and neither gets more by
 * executing a program nor can be traced. Where a user namespace may not change groups, they stay. Returns 0 or negative errno. */
int mf_credentials_drop(uid_t uid, gid_t gid, uint32_t capabilities);

#endif
