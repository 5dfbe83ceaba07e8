/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/dirs-layer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* Whether the layer hides whatever lower layers have at `path`: the directory or one that it is in is opaque. */
static int hides_below(const struct mf_dirs_of *layer, const char *path)
{
        char above[PATH_MAX];

        if (layer->opaque.n == 0)
                return 0;
        snprintf(above, sizeof(above), "%s", path);
        for (char *slash = above + strlen(above); slash; slash = strrchr(above, '/')) {
                *slash = '\0';
                if (mf_paths_has(&layer->opaque, above))
                        return 1;
        }
        return 0;
}

/* Which layer's directory `path` is that is to be seen: the topmost that has an entry for it, or, with none, the
 * topmost. -ENOENT when no directory is to be seen there. *ret_wrong: another layer's would be. */
static int find_source(const struct mf_dirs *directories, const char *path, int *ret_wrong)
{
        int first = -ENOENT;

        *ret_wrong = 0;
        for (size_t i = directories->n; i > 0; i--) {
                const struct mf_dirs_of *layer = &directories->layer[i - 1];
                mf_cleanup(mf_closep) int fd = mf_open_beneath(layer->fd, path, O_PATH);
                struct stat st;

                if (fd == -ENOENT && hides_below(layer, path))
                        break;
                if (fd == -ENOENT)
                        continue;
                if (fd == -ENOTDIR || fd == -ELOOP) /* it, or what it is in, is no directory: this hides all below */
                        break;
                if (fd < 0 || fstat(fd, &st) < 0)
                        return fd < 0 ? fd : -errno;
                if (!S_ISDIR(st.st_mode))
                        break;
                if (!mf_paths_has(&layer->implicit, path)) {
                        *ret_wrong = first >= 0;
                        return (int) i - 1;
                }
                if (first < 0)
                        first = (int) i - 1;
                if (hides_below(layer, path))
                        break;
        }
        return first;
}

struct run {
        const struct mf_dirs *directories;
        int dirfd;
        struct mf_record *record;
        struct mf_paths made; /* directories, each after the one it is in */
        const char *path;     /* the one at hand */
};

/* With those it is in. Inwards from the first that is there, for paths come sorted: that is mostly the last one. */
static int make_directory(struct run *run, const char *path)
{
        int r = mf_mkdir_private(run->dirfd, path);

        if (r == -ENOENT) {
                mf_cleanup(mf_freep) char *parent = strdup(path);
                char *slash = parent ? strrchr(parent, '/') : NULL;
                if (!slash)
                        return parent ? r : -ENOMEM;
                *slash = '\0';
                r = make_directory(run, parent);
                if (r == 0)
                        r = mf_mkdir_private(run->dirfd, path);
        }
        if (r == 0)
                r = mf_paths_add(&run->made, strdup(path));
        return r == -EEXIST ? 0 : r;
}

static int finish_directory(const struct run *run, const char *path)
{
        mf_cleanup(mf_closep) int from = -1, to = mf_open_beneath(run->dirfd, path, O_RDONLY | O_DIRECTORY);
        struct stat st;
        int wrong = 0, source = to < 0 ? to : find_source(run->directories, path, &wrong);

        if (source < 0)
                return source;
        from = mf_open_beneath(run->directories->layer[source].fd, path, O_RDONLY | O_DIRECTORY);
        int r = from < 0 ? from : mf_copy_dir_metadata(from, to);
        if (r == 0)
                r = fstat(to, &st) < 0 ? -errno : mf_record_add(run->record, path, &st, NULL, to, NULL);
        return r;
}

/* Makes every implied directory that would be seen as the wrong one. */
static int make_directories(struct run *run)
{
        int wrong, r = make_directory(run, MF_ROOTFS);

        for (size_t i = 1; i < run->directories->n; i++) {
                const struct mf_paths *implicit = &run->directories->layer[i].implicit;
                for (size_t k = 0; k < implicit->n && r == 0; k++) {
                        run->path = implicit->path[k];
                        int source = find_source(run->directories, run->path, &wrong);
                        if (source >= 0 && wrong)
                                r = make_directory(run, run->path);
                        else if (source < 0 && source != -ENOENT)
                                r = source;
                }
        }
        return r;
}

/* Whether what is to be seen at `path` below the layer `top` is a symbolic link. Returns 1, 0, or negative errno. */
static int is_link_below(const struct mf_dirs *directories, size_t top, const char *path)
{
        for (size_t i = top; i > 0; i--) {
                const char *slash = strrchr(path, '/');
                mf_cleanup(mf_freep) char *parent = slash ? strndup(path, (size_t) (slash - path)) : NULL;
                struct stat st;
                if (!parent)
                        return slash ? -ENOMEM : 0;
                mf_cleanup(mf_closep) int fd =
                        mf_open_beneath(directories->layer[i - 1].fd, parent, O_PATH | O_DIRECTORY);
                if (fd == -ENOTDIR || fd == -ELOOP) /* told of that directory */
                        return 0;
                if (fd < 0 && fd != -ENOENT)
                        return fd;
                if (fd >= 0 && fstatat(fd, slash + 1, &st, AT_SYMLINK_NOFOLLOW) == 0)
                        return S_ISLNK(st.st_mode);
                if (hides_below(&directories->layer[i - 1], path))
                        return 0;
        }
        return 0;
}

/* Refuses a layer with files in a directory that in a lower layer is a symbolic link: unpacked one after the other, the files would go
 * where the link leads, but overlayfs shows a directory in place of the link. Returns 0 or negative errno. */
static int check_links(struct run *run, struct mayfly_error *err)
{
        for (size_t i = 1; i < run->directories->n; i++) {
                const struct mf_dirs_of *layer = &run->directories->layer[i];
                for (size_t k = 0; k < layer->implicit.n; k++) {
                        run->path = layer->implicit.path[k];
                        int r = is_link_below(run->directories, i, run->path);
                        if (r < 0)
                                return r;
                        if (r == 0)
                                continue;
                        return mf_error(
                                err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "layer %zu of %zu (%.19s) has files in \"%.300s\", which in a lower layer is a "
                                "symbolic link; layers that lie over each other cannot follow it: put the files "
                                "where the link leads, and build the image again",
                                i + 1, run->directories->n, layer->id, run->path + strlen(MF_ROOTFS "/"));
                }
        }
        return 0;
}

static int make(void *userdata, int dirfd, struct mf_record *record, struct mayfly_error *err)
{
        struct run run = { .directories = userdata, .dirfd = dirfd, .record = record, .path = MF_ROOTFS };

        int r = run.directories->refuse_links ? check_links(&run, err) : 0;
        if (r == 0)
                r = make_directories(&run);
        for (size_t i = run.made.n; i > 0 && r == 0; i--) {
                run.path = run.made.path[i - 1];
                r = finish_directory(&run, run.path);
        }
        if (r < 0)
                mf_error_errno(err, r, MAYFLY_STAGE_STORE, "making a layer of directories, at \"%.300s\"", run.path);
        mf_paths_clear(&run.made);
        return r;
}

int mf_dirs_layer(struct mf_cached_layer *ret, struct mf_dirs *directories, struct mayfly_error *err)
{
        struct mf_cached_layer cached = { .make = make, .userdata = directories };
        int needed = 0;

        for (size_t i = 1; i < directories->n; i++)
                needed |= directories->layer[i].implicit.n > 0;
        if (!needed)
                return 0;
        FILE *f = open_memstream(&cached.text, &cached.size);
        if (!f)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        fputs("mayfly-layer 1\ndirectories\n", f);
        for (size_t i = 0; i < directories->n; i++)
                fprintf(f, "over %s\nimage %s\n", directories->layer[i].id, directories->layer[i].image_id);
        int failed = ferror(f);
        if (fclose(f) != 0 || failed || mf_layer_cache_name(&cached) < 0) {
                free(cached.text);
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        *ret = cached;
        return 1;
}
