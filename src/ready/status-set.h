/* SPDX-License-Identifier: MIT */
#ifndef MF_STATUS_SET_H
#define MF_STATUS_SET_H

#include <mayfly/error.h>

/* Sets of HTTP status codes: "200", "200,204", "200-299,404". NULL is the default, "200-399". */

/* Returns 0, or -EINVAL with an error. */
int mf_status_set_check(const char *set, struct mayfly_error *err);

/* Whether the set, which was checked, has the status. */
int mf_status_set_has(const char *set, unsigned status);

#endif
