/* SPDX-License-Identifier: MIT */
#ifndef MF_ENV_NAMES_H
#define MF_ENV_NAMES_H

#include <stdio.h>

/* The environment variables that mayfly reads, and those that were probably meant to be one of them. The library prints
 * nothing: the fixture and the command call this. */

/* All of them, NULL-terminated. A variable that is read anywhere in mayfly stands here. */
extern const char *const mf_env_names[];

/* Prints a warning, one line that starts with "mayfly: ", for each variable of `environment` (such as environ) that
 * starts with MAYFLY_, is none of mf_env_names, and is at most two edits away from one. Returns how many there are. */
unsigned mf_env_warn(char *const *environment, FILE *out);

/* Whether MAYFLY_REQUIRE says that a host which cannot run containers is a failure, and no reason to skip tests. */
int mf_env_requires(void);

#endif
