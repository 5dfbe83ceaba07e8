/* SPDX-License-Identifier: MIT */
#ifndef MF_PATHS_H
#define MF_PATHS_H

/* A list of allocated paths. A list of all zeros is empty. */

#include <stddef.h>

struct mf_paths {
        char **path;
        size_t n, allocated;
};

/* Adds an allocated path, and frees it on failure. Returns 0, or -ENOMEM (also for a NULL path). */
int mf_paths_add(struct mf_paths *paths, char *path);
void mf_paths_sort(struct mf_paths *paths);
int mf_paths_has(const struct mf_paths *paths, const char *path); /* the list must be sorted */
void mf_paths_clear(struct mf_paths *paths);

#endif
