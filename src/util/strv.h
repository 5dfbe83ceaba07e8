/* SPDX-License-Identifier: MIT */
#ifndef MF_STRV_H
#define MF_STRV_H

/* Lists of strings, NULL-terminated. */

#include <stddef.h>

#include <mayfly/error.h>

/* The number of strings in a NULL-terminated list; 0 for NULL. */
static inline size_t mf_strv_length(const char *const *strings)
{
        size_t n = 0;

        while (strings && strings[n])
                n++;
        return n;
}

/* Whether a NULL-terminated list (NULL is fine) has the string. */
int mf_strv_has(const char *const *strings, const char *string);

/* Frees a NULL-terminated list (NULL is fine). */
void mf_strv_free(char **strings);

/* Adds an allocated string to a NULL-terminated list, which may be NULL, and frees the string on failure. Returns 0,
 * or -ENOMEM (also for a NULL string). It counts the list each time, so it is meant for short lists. */
int mf_strv_add(char ***list, char *string);

/* A list that knows its length. A list of all zeros is empty. */
struct mf_strings {
        char **list; /* NULL-terminated; NULL while it is empty */
        size_t n, allocated;
};

/* Does the same for a list that knows its length. */
int mf_strings_add(struct mf_strings *strings, char *string);
/* Frees the strings and leaves an empty list. */
void mf_strings_clear(struct mf_strings *strings);

/* Returns -EINVAL, with a message that begins with `what`, unless every string is "NAME=value". `env` may be NULL. */
int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err);

#endif
