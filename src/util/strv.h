/* SPDX-License-Identifier: MIT */
#ifndef MF_STRV_H
#define MF_STRV_H

/* Lists of strings, NULL-terminated. */

#include <mayfly/error.h>

/* Frees a NULL-terminated list (NULL is fine). */
void mf_strv_free(char **strings);

/* Adds to a NULL-terminated list, which may be NULL, an allocated string, which is the list's then in any case; NULL is
 * -ENOMEM. */
int mf_strv_add(char ***list, char *string);

/* Returns -EINVAL, with a message that begins with `what`, unless every string is "NAME=value". `env` may be NULL. */
int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err);

#endif
