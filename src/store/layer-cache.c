/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/layer-cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/digest.h"
#include "privilege/userns.h"
#include "store/directory.h"
#include "store/list.h"
#include "store/unflushed.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define TEXT_MAX ((off_t) 256 << 20) /* whitelists of many manifests, each 1 MiB at most */
#define WAIT_US 20000U
#define TRIES_MAX 500U

int mf_layer_cache_name(struct mf_cached_layer *cached)
{
        struct mf_digest *digest = mf_digest_new();
        int r = digest ? mf_digest_update(digest, cached->text, cached->size) : -EIO;

        if (r == 0)
                r = mf_digest_final(digest, cached->id);
        mf_digest_free(digest);
        return r;
}

/* --- one that is there ---------------------------------------------------------------------------------------- */

/* Whether the disk has the layer, or will have it. One of an earlier boot is rather made again than checked. */
static int is_flushed(int fd)
{
        enum mf_unflushed state = mf_unflushed_look(fd);

        if (state == MF_UNFLUSHED && !mf_privilege_is_delegated() && mf_unflushed_is_due(fd))
                return mf_unflushed_flush(fd, 1) == 0;
        return state == MF_FLUSHED || state == MF_UNFLUSHED;
}

/* Only what costs next to nothing is looked at, as with an image. */
static int is_whole(int fd)
{
        struct mf_record_summary summary;
        const char *why;
        struct stat st;

        return fstatat(fd, MF_ROOTFS, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
               mf_record_peek(fd, &summary, &why) == 0 && is_flushed(fd);
}

/* 0, -ENOENT: it is to be made, -EWOULDBLOCK, or another -errno. */
static int open_stored(int *ret, int store, const struct mf_cached_layer *cached)
{
        const char *id = cached->id;
        mf_cleanup(mf_closep) int fd = -1;

        int r = mf_store_open_locked(store, MF_LAYERS, id, LOCK_SH, &fd);
        if (r < 0)
                return r;
        if (!is_whole(fd)) {
                if (cached->only_stored)
                        return -ENOENT;
                r = mf_layer_cache_remove(store, id, fd);
                return r < 0 ? r : -ENOENT;
        }
        mf_store_touch(fd);
        *ret = mf_take_fd(&fd);
        return 0;
}

int mf_layer_cache_remove(int store, const char *id, int fd)
{
        char name[MF_TMP_NAME_MAX];

        if (!mf_store_is_current(store, MF_LAYERS, id, fd))
                return 0;
        int r = mf_store_move_to_tmp(store, MF_LAYERS, id, name);
        if (r == 0)
                mf_store_remove_if_unused(store, name, fd);
        return r;
}

/* --- making one ----------------------------------------------------------------------------------------------- */

static int write_text(const struct mf_cached_layer *cached, int dirfd, struct mf_record *record)
{
        mf_cleanup(mf_closep) int fd = openat(dirfd, "layer", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        char sum[MF_MAC_LENGTH + 1];
        struct stat st;

        if (fd < 0 || fchmod(fd, 0644) < 0)
                return -errno;
        int r = mf_write_full(fd, cached->text, cached->size);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0)
                return -errno;
        mf_content_sum_begin(mf_record_content_sum(record), cached->size);
        r = mf_content_sum_add(mf_record_content_sum(record), 0, cached->text, cached->size);
        if (r == 0)
                r = mf_content_sum_finish(mf_record_content_sum(record), sum);
        return r < 0 ? r : mf_record_add(record, "layer", &st, sum, -1, NULL);
}

static int fill(const struct mf_cached_layer *cached, int dirfd, struct mayfly_error *err)
{
        int r = mf_unflushed_mark(dirfd);
        if (r < 0 && r != -ENOSYS)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "marking a layer as not flushed");
        errno = 0;
        struct mf_record *record = mf_record_new(dirfd, cached->id);
        if (!record)
                return mf_error_errno(err, errno ? -errno : -ENOMEM, MAYFLY_STAGE_STORE, "making a layer's record");
        r = write_text(cached, dirfd, record);
        if (r == 0)
                r = cached->make(cached->userdata, dirfd, record, err);
        if (r == 0)
                r = mf_record_finish(record);
        mf_record_free(record);
        if (r == 0)
                r = mf_unflushed_or_flush(dirfd);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "writing a layer") : 0;
}

static int cannot_make(const char *path, int code, const char *what, struct mayfly_error *err)
{
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE,
                              "a layer that the image needs cannot be made in the store %s (choose another store with "
                              "MAYFLY_STORE): %s",
                              path, what);
}

/* 0 also when somebody else was faster. */
static int make(int store, const char *path, const struct mf_cached_layer *cached, struct mayfly_error *err)
{
        static const char *const directories[] = { "layers", "tmp" };
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        mf_cleanup(mf_closep) int dirfd = -1;
        char name[MF_TMP_NAME_MAX], target[MF_ID_LENGTH + 16];

        int r = 0;
        for (size_t i = 0; i < MF_ELEMENTSOF(directories); i++) {
                r = mf_mkdir_private(store, directories[i]);
                if (r < 0 && r != -EEXIST)
                        return cannot_make(path, r, "making its directories", err);
        }
        r = mf_store_make_temporary(store, name, &dirfd);
        if (r < 0)
                return cannot_make(path, r, "making a directory in its tmp", err);
        r = fill(cached, dirfd, &why);
        if (r == -ENOSPC || r == -EDQUOT)
                (void) mf_error(err, r, MAYFLY_STAGE_STORE,
                                "the image store %s has no room for a layer that the image needs; free some (mayfly "
                                "gc), or choose another store with MAYFLY_STORE",
                                path);
        else if (r < 0)
                (void) mf_error(err, r, why.stage, "%s", why.message);
        snprintf(target, sizeof(target), "%s/%s", MF_LAYERS, cached->id);
        if (r == 0 && fchmod(dirfd, 0755) < 0)
                r = cannot_make(path, -errno, "finishing it", err);
        int published = r == 0 && renameat(store, name, store, target) == 0;
        if (r == 0 && !published && errno != EEXIST && errno != ENOTEMPTY)
                r = cannot_make(path, -errno, "publishing it", err);
        if (!published)
                (void) mf_remove_tree(store, name);
        mf_unlock(dirfd);
        return r;
}

int mf_layer_cache_open(int *ret, int store, const char *path, const struct mf_cached_layer *cached,
                        struct mayfly_error *err)
{
        int r = -ENOENT;

        for (unsigned tries = 0; tries < TRIES_MAX; tries++) {
                r = open_stored(ret, store, cached);
                if (r == -ENOENT && !cached->only_stored)
                        r = make(store, path, cached, err);
                else if (r == -EWOULDBLOCK)
                        usleep(WAIT_US); /* somebody removes it, or asks whether it is in use */
                else
                        break;
                if (r < 0 && r != -EWOULDBLOCK)
                        return r;
        }
        return r == 0 || r == -ENOENT ? r
                                      : mf_error_errno(err, r, MAYFLY_STAGE_STORE, "opening the layer %s/%s/%s", path,
                                                       MF_LAYERS, cached->id);
}

/* --- what it was made from ------------------------------------------------------------------------------------- */

int mf_layer_cache_images(int dir_fd, int (*each)(void *userdata, const char *id), void *userdata)
{
        int fd = openat(dir_fd, "layer", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), r = -EBADMSG;
        mf_cleanup(mf_fclosep) FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
        mf_cleanup(mf_freep) char *line = NULL;
        struct stat st;
        size_t size = 0;

        if (!f) {
                mf_close(fd);
                return r;
        }
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > TEXT_MAX)
                return r;
        while (getline(&line, &size, f) > 0) {
                line[strcspn(line, "\n")] = '\0';
                if (strncmp(line, "image ", 6) != 0)
                        continue;
                r = each(userdata, line + 6);
                if (r != 0)
                        return r;
        }
        return r;
}

static int is_same(void *userdata, const char *id)
{
        return strcmp(userdata, id) == 0;
}

void mf_layer_cache_drop(int store, const char *image_id)
{
        struct mf_store_images layers;

        if (mf_store_list(store, MF_LAYERS, &layers) < 0)
                return;
        for (size_t i = 0; i < layers.n; i++) {
                char name[MF_ID_LENGTH + 16];
                snprintf(name, sizeof(name), "%s/%s", MF_LAYERS, layers.id[i]);
                mf_cleanup(mf_closep) int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
                if (fd >= 0 && mf_layer_cache_images(fd, is_same, (void *) (uintptr_t) image_id) != 0)
                        (void) mf_layer_cache_remove(store, layers.id[i], fd);
        }
        mf_store_images_clear(&layers);
}
