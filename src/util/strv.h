/* SPDX-License-Identifier: MIT */
#ifndef MF_STRV_H
#define MF_STRV_H

/* Lists of strings, NULL-terminated. */

/* Frees a NULL-terminated list (NULL is fine). */
void mf_strv_free(char **strings);

/* Adds to a NULL-terminated list, which may be NULL, an allocated string, which is the list's then in any case; NULL is
 * -ENOMEM. */
int mf_strv_add(char ***list, char *string);

#endif
