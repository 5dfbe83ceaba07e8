/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/whitelist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* "/a//./b/../c/" becomes "a/c": by the text alone, as the appc tools do it. */
static char *clean(const char *path)
{
        char *ret = malloc(strlen(path) + 1);
        size_t n = 0;

        if (!ret)
                return NULL;
        while (*path) {
                size_t length = strcspn(path, "/");
                if (length == 2 && path[0] == '.' && path[1] == '.') {
                        while (n > 0 && ret[--n] != '/')
                                ;
                } else if (length > 0 && !(length == 1 && path[0] == '.')) {
                        if (n > 0)
                                ret[n++] = '/';
                        memcpy(ret + n, path, length);
                        n += length;
                }
                path += length + (path[length] == '/');
        }
        ret[n] = '\0';
        return ret;
}

int mf_whitelist_new(struct mf_whitelist **ret, char *const *paths)
{
        struct mf_whitelist *list = calloc(1, sizeof(*list));
        size_t kept = 0;
        int r = list ? 0 : -ENOMEM;

        for (; r == 0 && *paths; paths++)
                r = mf_paths_add(&list->paths, clean(*paths));
        if (r < 0) {
                mf_whitelist_free(list);
                return r;
        }
        mf_paths_sort(&list->paths);
        char **path = list->paths.path;
        for (size_t i = 0; i < list->paths.n; i++) {
                if (kept > 0 && strcmp(path[kept - 1], path[i]) == 0)
                        free(path[i]);
                else
                        path[kept++] = path[i];
        }
        list->paths.n = kept;
        *ret = list;
        return 0;
}

struct mf_whitelist *mf_whitelist_free(struct mf_whitelist *list)
{
        if (list) {
                mf_paths_clear(&list->paths);
                free(list);
        }
        return NULL;
}

/* Compares with "PATH/" without making that. */
static int compare_below(const char *listed, const char *path, size_t length)
{
        int r = strncmp(listed, path, length);

        return r ? r : (int) (unsigned char) listed[length] - '/';
}

int mf_whitelist_passes(const struct mf_whitelist *list, const char *path, int is_directory)
{
        size_t low = 0, high = list->paths.n, length = strlen(path);

        if (length == 0) /* the root */
                return is_directory;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int r = strcmp(path, list->paths.path[middle]);
                if (r == 0)
                        return 1;
                if (r < 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        if (!is_directory)
                return 0;
        for (high = list->paths.n; low < high;) {
                size_t middle = low + (high - low) / 2;
                int r = compare_below(list->paths.path[middle], path, length);
                if (r == 0)
                        return 1;
                if (r > 0)
                        high = middle;
                else
                        low = middle + 1;
        }
        return 0;
}

int mf_whitelist_compare(const struct mf_whitelist *a, const struct mf_whitelist *b)
{
        for (size_t i = 0; i < a->paths.n && i < b->paths.n; i++) {
                int r = strcmp(a->paths.path[i], b->paths.path[i]);
                if (r)
                        return r;
        }
        return (a->paths.n > b->paths.n) - (a->paths.n < b->paths.n);
}
