/* SPDX-License-Identifier: MIT */
#ifndef MF_PATHS_H
#define MF_PATHS_H

/* A list of allocated paths. Start from zeros. */

#include <stddef.h>

struct mf_paths {
        char **path;
        size_t n, allocated;
};

/* Takes an allocated path in any case; NULL is -ENOMEM. */
int mf_paths_add(struct mf_paths *paths, char *path);
void mf_paths_sort(struct mf_paths *paths);
int mf_paths_has(const struct mf_paths *paths, const char *path); /* when sorted */
void mf_paths_clear(struct mf_paths *paths);

#endif
