/* SPDX-License-Identifier: MIT */
#ifndef MF_EXPLAIN_H
#define MF_EXPLAIN_H

/* Why a host refuses a user namespace, and what helps. `sysctls` is the directory /proc/sys, or another in a test. Each function fills
 * *err and returns its code. */

#include <sys/types.h>

#include <mayfly/error.h>

#include "util/id-map.h"

struct mf_mapper_failure {
        const char *program; /* path of newuidmap or newgidmap */
        const char *text;    /* what it wrote, may be empty */
        gid_t own_group;     /* of the user, as in /etc/passwd */
};

/* clone(CLONE_NEWUSER) failed with `code`. */
int mf_explain_clone(int code, const char *sysctls, struct mayfly_error *err);
/* Root of the new namespace was refused what root may do there, with `code`. */
int mf_explain_powerless(int code, const char *sysctls, struct mayfly_error *err);
/* newuidmap or newgidmap failed. */
int mf_explain_mapper(const struct mf_mapper_failure *failure, struct mayfly_error *err);
/* The user has no range in one or both of the files. */
int mf_explain_no_ranges(const char *user, const struct mf_id_map *uids, const struct mf_id_map *gids,
                         struct mayfly_error *err);

#endif
