/* SPDX-License-Identifier: MIT */
#ifndef MF_STRV_H
#define MF_STRV_H

/* Lists of strings, NULL-terminated. */

#include <stddef.h>

#include <mayfly/error.h>

/* Frees a NULL-terminated list (NULL is fine). */
void mf_strv_free(char **strings);

/* Adds to a NULL-terminated list, which may be NULL, an allocated string, which is the list's then in any case; NULL is
 * -ENOMEM. It counts the list each time: for short lists. */
int mf_strv_add(char ***list, char *string);

/* A list that grows without being counted. Start from zeros. */
struct mf_strings {
        char **list; /* NULL-terminated; NULL while it is empty */
        size_t n, allocated;
};

/* The same for such a list. */
int mf_strings_add(struct mf_strings *strings, char *string);
/* Frees the strings; the list is empty then. */
void mf_strings_clear(struct mf_strings *strings);

/* Returns -EINVAL, with a message that begins with `what`, unless every string is "NAME=value". `env` may be NULL. */
int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err);

#endif
