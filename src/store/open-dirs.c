/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/open-dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define UP_MAX 1000U /* levels: "../" for each is shorter than PATH_MAX */

struct place {
        int fd;        /* -1: free */
        uint64_t used; /* by which call last */
        size_t length;
        char path[PATH_MAX];
};

struct mf_open_dirs {
        int top;
        uint64_t calls;
        struct place place[8];
};

struct mf_open_dirs *mf_open_dirs_new(int top)
{
        struct mf_open_dirs *dirs = malloc(sizeof(*dirs));

        if (!dirs)
                return NULL;
        dirs->top = top;
        dirs->calls = 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(dirs->place); i++) {
                dirs->place[i].fd = -1;
                dirs->place[i].used = 0;
                dirs->place[i].length = 0;
        }
        return dirs;
}

struct mf_open_dirs *mf_open_dirs_free(struct mf_open_dirs *dirs)
{
        for (size_t i = 0; dirs && i < MF_ELEMENTSOF(dirs->place); i++)
                mf_close(dirs->place[i].fd);
        free(dirs);
        return NULL;
}

/* Returns the number of components in a path, which may begin with a slash. */
static size_t count_levels(const char *path)
{
        size_t n = *path && *path != '/';

        for (; *path; path++)
                n += *path == '/';
        return n;
}

/* Returns the length of the longest directory that both paths are, or are in; 0 when that is the top. */
static size_t shared_length(const char *a, const char *b)
{
        size_t shared = 0;

        for (size_t i = 0;; i++) {
                if ((a[i] == '/' || !a[i]) && (b[i] == '/' || !b[i]))
                        shared = i;
                if (!a[i] || a[i] != b[i])
                        return shared;
        }
}

/* Returns the open directory with the shortest way to `path`, or NULL when that is the top. *ret_up is the number of levels
 * to go up first, *ret_shared the length of the part of `path` that is reached so. */
static const struct place *find_nearest(const struct mf_open_dirs *dirs, const char *path, size_t *ret_up,
                                        size_t *ret_shared)
{
        size_t least = count_levels(path);
        const struct place *nearest = NULL;

        *ret_up = *ret_shared = 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(dirs->place); i++) {
                const struct place *place = &dirs->place[i];
                if (place->fd < 0)
                        continue;
                size_t shared = shared_length(place->path, path);
                size_t up = count_levels(place->path + shared);
                size_t way = up + count_levels(path + shared);
                if (shared == 0 || up > UP_MAX || way >= least)
                        continue;
                least = way;
                nearest = place;
                *ret_up = up;
                *ret_shared = shared;
        }
        return nearest;
}

/* Opens the directory that is `n` levels above `fd`. Directories stay where they were made until mf_open_dirs_drop(), so that is in the tree. */
static int open_above(int fd, size_t n)
{
        char way[3 * UP_MAX + 1];

        for (size_t i = 0; i < n; i++)
                memcpy(way + 3 * i, "../", 3);
        way[3 * n] = '\0';
        int above = openat(fd, way, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return above < 0 ? -errno : above;
}

/* Makes all that is missing of `path` and opens it. `fd` is the directory in which the level at `at` lies. */
static int make_levels(int fd, const char *path, size_t at, mf_open_dirs_make *make, void *userdata)
{
        mf_cleanup(mf_closep) int above = -1;
        char whole[PATH_MAX], name[NAME_MAX + 1];

        strcpy(whole, path);
        for (;;) {
                size_t length = strcspn(path + at, "/");
                memcpy(name, path + at, length);
                name[length] = '\0';
                at += length;
                whole[at] = '\0';
                int r = make(userdata, fd, name, whole);
                whole[at] = path[at];
                int below = r < 0 ? r : mf_open_beneath(fd, name, O_PATH | O_DIRECTORY);
                if (below < 0 || !path[at++])
                        return below;
                mf_close(above);
                fd = above = below;
        }
}

/* Keeps a descriptor in place of the one that was used the longest time ago. Returns the descriptor. */
static int keep(struct mf_open_dirs *dirs, const char *path, int fd)
{
        struct place *oldest = &dirs->place[0];

        for (size_t i = 1; i < MF_ELEMENTSOF(dirs->place); i++)
                if (dirs->place[i].used < oldest->used)
                        oldest = &dirs->place[i];
        mf_close(oldest->fd);
        oldest->fd = fd;
        oldest->used = dirs->calls;
        oldest->length = strlen(path);
        strcpy(oldest->path, path);
        return fd;
}

int mf_open_dirs_get(struct mf_open_dirs *dirs, const char *path, mf_open_dirs_make *make, void *userdata)
{
        mf_cleanup(mf_closep) int above = -1;
        const size_t length = strlen(path);
        size_t up, shared;
        int from = dirs->top;

        dirs->calls++;
        if (strcmp(path, ".") == 0)
                return dirs->top;
        for (size_t i = 0; i < MF_ELEMENTSOF(dirs->place); i++) {
                struct place *place = &dirs->place[i];
                if (place->fd >= 0 && place->length == length && memcmp(place->path, path, length) == 0) {
                        place->used = dirs->calls;
                        return place->fd;
                }
        }
        const struct place *nearest = find_nearest(dirs, path, &up, &shared);
        if (nearest)
                from = nearest->fd;
        if (up > 0) {
                above = open_above(from, up);
                from = above;
        }
        if (from < 0)
                return from;
        size_t at = shared == 0 ? 0 : shared + (path[shared] == '/');
        int fd = mf_open_beneath(from, path[at] ? path + at : ".", O_PATH | O_DIRECTORY);
        if (fd == -ENOENT && make)
                fd = make_levels(from, path, at, make, userdata);
        return fd < 0 ? fd : keep(dirs, path, fd);
}

void mf_open_dirs_drop(struct mf_open_dirs *dirs, const char *path)
{
        const size_t length = strlen(path);

        for (size_t i = 0; i < MF_ELEMENTSOF(dirs->place); i++) {
                struct place *place = &dirs->place[i];
                if (place->fd < 0 || strncmp(place->path, path, length) != 0 ||
                    (place->path[length] && place->path[length] != '/'))
                        continue;
                place->fd = mf_close(place->fd);
                place->used = 0;
        }
}
