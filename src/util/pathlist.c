/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/pathlist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/buffer.h"

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

int mf_paths_add(struct mf_paths *paths, char *path)
{
        char **grown = path ? mf_grow(paths->path, paths->n, &paths->allocated, sizeof(*grown)) : NULL;

        if (!grown) {
                free(path);
                return -ENOMEM;
        }
        paths->path = grown;
        paths->path[paths->n++] = path;
        return 0;
}

void mf_paths_sort(struct mf_paths *paths)
{
        if (paths->n > 0)
                qsort(paths->path, paths->n, sizeof(char *), compare);
}

int mf_paths_has(const struct mf_paths *paths, const char *path)
{
        return paths->n > 0 && bsearch(&path, paths->path, paths->n, sizeof(char *), compare) != NULL;
}

void mf_paths_clear(struct mf_paths *paths)
{
        for (size_t i = 0; i < paths->n; i++)
                free(paths->path[i]);
        free(paths->path);
        *paths = (struct mf_paths){ 0 };
}
