/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/gc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "store/directory.h"
#include "store/layer-cache.h"
#include "store/list.h"
#include "store/record.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

struct candidate {
        const char *id;
        uint64_t bytes;
        struct timespec stamp; /* the directory's time when we looked */
        struct timespec used;  /* the same, but never in the future */
        int whole;             /* has a record; without, it is of no use to anybody */
};

struct gc {
        const struct mayfly_gc_options *options;
        mf_describe_fn describe;
        struct mayfly_gc_result result;
        const char *path; /* of the store */
        int store;
        struct timespec now;
        uint64_t total; /* bytes of all images that are there */
        struct mayfly_error *err;
};

static int describe_candidate(const struct gc *gc, const char *path, struct mf_description *ret)
{
        mf_cleanup(mf_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

        *ret = (struct mf_description){ 0 };
        return fd < 0 || !gc->describe ? 0 : gc->describe(fd, path, ret);
}

static int tell(struct gc *gc, enum mayfly_store_event event, const char *directory, const char *name,
                const struct candidate *candidate, uint64_t bytes)
{
        mf_cleanup(mf_freep) char *path = NULL;

        if (!gc->options->report)
                return 0;
        if (asprintf(&path, "%s/%s/%s", gc->path, directory, name) < 0) {
                path = NULL;
                return mf_error_oom(gc->err, MAYFLY_STAGE_STORE);
        }
        struct mf_description description = { 0 };
        if (candidate && describe_candidate(gc, path, &description) < 0)
                return mf_error_oom(gc->err, MAYFLY_STAGE_STORE);
        const struct mayfly_store_report report = {
                .size = sizeof(report),
                .event = event,
                .image = candidate ? candidate->id : NULL,
                .path = path,
                .bytes = bytes,
                .last_used = candidate ? (int64_t) candidate->used.tv_sec : 0,
                .name = description.name,
                .labels = (const char *const *) description.labels,
        };
        int cancel = gc->options->report(&report, gc->options->userdata);
        mf_description_clear(&description);
        return cancel ? mf_error(gc->err, -ECANCELED, MAYFLY_STAGE_STORE, "collecting garbage was cancelled") : 0;
}

/* Looks at the image without locking it. Returns 0 or negative errno, -ENOENT when it is gone. */
static int look_at(struct gc *gc, const char *id, struct candidate *ret)
{
        mf_cleanup(mf_closep) int fd = -1;
        struct mf_stored stored;
        struct stat st;

        int r = mf_store_look_at(gc->store, id, &stored, &fd);
        if (r < 0)
                return r;
        *ret = (struct candidate){
                .id = id, .bytes = stored.bytes, .stamp = stored.used, .used = stored.used, .whole = stored.whole
        };
        if (mf_store_is_later(ret->used, gc->now)) { /* the clock was set back: count from now on, not from then */
                ret->used = gc->now;
                if (!gc->options->dry_run && futimens(fd, NULL) == 0 && fstat(fd, &st) == 0)
                        ret->stamp = st.st_mtim;
        }
        return 0;
}

static int is_expired(const struct gc *gc, struct timespec used)
{
        uint64_t age = (uint64_t) (gc->now.tv_sec - used.tv_sec);

        if (gc->now.tv_nsec < used.tv_nsec && age > 0)
                age--;
        return gc->options->all || (gc->options->max_age_s && age >= gc->options->max_age_s);
}

static int is_unwanted(const struct gc *gc, const struct candidate *candidate)
{
        return !candidate->whole || is_expired(gc, candidate->used) ||
               (gc->options->max_bytes && gc->total > gc->options->max_bytes);
}

/* With locks/ID held (but not to ask only). 1 when it was removed, 0 when it is in use, or was just now. */
static int remove_locked(struct gc *gc, const struct candidate *candidate)
{
        mf_cleanup(mf_closep) int fd = -1;
        char name[MF_TMP_NAME_MAX];
        struct stat st;

        int r = mf_store_open_locked(gc->store, MF_IMAGES, candidate->id, LOCK_EX, &fd);
        if (r == -EWOULDBLOCK || r == -ENOENT)
                return 0;
        if (r < 0 || fstat(fd, &st) < 0)
                return r < 0 ? r : -errno;
        if (st.st_mtim.tv_sec != candidate->stamp.tv_sec || st.st_mtim.tv_nsec != candidate->stamp.tv_nsec) {
                r = 0; /* used since we looked */
        } else if (gc->options->dry_run) {
                r = 1;
        } else {
                r = mf_store_move_to_tmp(gc->store, MF_IMAGES, candidate->id, name);
                if (r == 0) {
                        mf_store_remove_lock(gc->store, candidate->id); /* who wants to fetch it again can */
                        mf_store_remove_if_unused(gc->store, name, fd);
                        return 1;
                }
        }
        mf_unlock(fd);
        return r;
}

static int remove_image(struct gc *gc, const struct candidate *candidate)
{
        mf_cleanup(mf_closep) int lock = -1;

        int r = gc->options->dry_run ? 0 : mf_store_lock(gc->store, candidate->id, &lock);
        if (r == -EWOULDBLOCK) /* being fetched again, or removed by another */
                return 0;
        if (r == 0) {
                r = remove_locked(gc, candidate);
                mf_unlock(lock);
        }
        return r < 0 ? mf_error_errno(gc->err, r, MAYFLY_STAGE_STORE, "removing the image %s/images/%s", gc->path,
                                      candidate->id)
                     : r;
}

static int collect_image(struct gc *gc, const struct candidate *candidate)
{
        enum mayfly_store_event event = MAYFLY_STORE_KEPT;
        int r = 0;

        if (is_unwanted(gc, candidate)) {
                r = remove_image(gc, candidate);
                event = r > 0 ? MAYFLY_STORE_REMOVED : MAYFLY_STORE_IN_USE;
        }
        if (event == MAYFLY_STORE_REMOVED) {
                gc->result.removed++;
                gc->result.bytes_freed += candidate->bytes;
                gc->total -= candidate->bytes;
        } else {
                gc->result.kept++;
                gc->result.in_use += event == MAYFLY_STORE_IN_USE && r == 0;
                gc->result.bytes_kept += candidate->bytes;
        }
        if (r < 0)
                return r;
        return tell(gc, event, "images", candidate->id, candidate, candidate->bytes);
}

static int compare_use(const void *a, const void *b)
{
        const struct candidate *one = a, *other = b;

        if (mf_store_is_later(one->used, other->used) || mf_store_is_later(other->used, one->used))
                return mf_store_is_later(one->used, other->used) ? 1 : -1;
        return strcmp(one->id, other->id);
}

static int collect_images(struct gc *gc)
{
        mf_cleanup(mf_freep) struct candidate *candidates = NULL;
        struct mf_store_images images;
        size_t n = 0;
        int result = 0;

        int r = mf_store_list(gc->store, MF_IMAGES, &images);
        if (r < 0)
                return mf_error_errno(gc->err, r, MAYFLY_STAGE_STORE, "reading %s/images", gc->path);
        candidates = calloc(images.n + 1, sizeof(*candidates));
        if (!candidates)
                result = mf_error_oom(gc->err, MAYFLY_STAGE_STORE);
        for (size_t i = 0; candidates && i < images.n; i++)
                if (look_at(gc, images.id[i], &candidates[n]) == 0)
                        gc->total += candidates[n++].bytes;
        if (n > 0)
                qsort(candidates, n, sizeof(*candidates), compare_use);
        for (size_t i = 0; i < n && result != -ECANCELED; i++) {
                r = collect_image(gc, &candidates[i]);
                if (r == -ECANCELED || (r < 0 && result == 0))
                        result = r;
        }
        mf_store_images_clear(&images);
        return result;
}

/* --- layers --------------------------------------------------------------------------------------------------- */

/* 1 when the image is not stored. */
static int is_gone(void *userdata, const char *id)
{
        const struct gc *gc = userdata;
        char name[MF_ID_LENGTH + 16];
        struct stat st;

        if (!mf_store_is_id(id))
                return 1;
        snprintf(name, sizeof(name), "%s/%s", MF_IMAGES, id);
        return fstatat(gc->store, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

/* They are held like images. Without the images they were made of they would only keep files from going. */
static int collect_layer(void *userdata, const char *id)
{
        struct gc *gc = userdata;
        mf_cleanup(mf_closep) int fd = -1;
        struct stat st;

        int r = mf_store_open_locked(gc->store, MF_LAYERS, id, LOCK_EX, &fd);
        if (r == -EWOULDBLOCK || r == -ENOENT)
                return 0;
        if (r < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(gc->err, r < 0 ? r : -errno, MAYFLY_STAGE_STORE, "opening the layer %s", id);
        int go = is_expired(gc, mf_store_is_later(st.st_mtim, gc->now) ? gc->now : st.st_mtim) ||
                 mf_layer_cache_images(fd, is_gone, gc) != 0;
        if (go) {
                r = tell(gc, MAYFLY_STORE_LAYER, MF_LAYERS, id, NULL, 0);
                if (r == 0 && !gc->options->dry_run)
                        r = mf_layer_cache_remove(gc->store, id, fd);
                if (r < 0 && r != -ECANCELED)
                        mf_error_set_errno(gc->err, r, MAYFLY_STAGE_STORE, "removing the layer %s", id);
                gc->result.layers += r == 0;
        }
        mf_unlock(fd);
        return r;
}

static int collect_layers(struct gc *gc)
{
        struct mf_store_images layers;

        int r = mf_store_list(gc->store, MF_LAYERS, &layers);
        if (r < 0)
                return mf_error_errno(gc->err, r, MAYFLY_STAGE_STORE, "reading %s/layers", gc->path);
        r = mf_store_images_each(&layers, collect_layer, gc);
        mf_store_images_clear(&layers);
        return r;
}

/* --- leftovers ------------------------------------------------------------------------------------------------ */

struct sweep {
        struct gc *gc;
        int result;
};

static int on_leftover(void *userdata, const char *name, uint64_t bytes)
{
        struct sweep *sweep = userdata;
        struct gc *gc = sweep->gc;

        if (sweep->result < 0)
                return 1;
        sweep->result = tell(gc, MAYFLY_STORE_LEFTOVER, "tmp", name, NULL, bytes);
        if (sweep->result < 0)
                return 1;
        gc->result.leftovers++;
        gc->result.bytes_freed += bytes;
        return gc->options->dry_run;
}

/* A fetch that was killed leaves its lock, unlocked; that is no harm, but is no use either. */
static int collect_lock(struct gc *gc, const char *id)
{
        mf_cleanup(mf_closep) int lock = -1;
        char name[MF_ID_LENGTH + 16];
        struct stat st;
        int r = 0;

        snprintf(name, sizeof(name), "images/%s", id);
        if (fstatat(gc->store, name, &st, AT_SYMLINK_NOFOLLOW) == 0 || mf_store_lock(gc->store, id, &lock) < 0)
                return 0;
        if (fstatat(gc->store, name, &st, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
                r = tell(gc, MAYFLY_STORE_LEFTOVER, "locks", id, NULL, 0);
                gc->result.leftovers += r == 0;
                if (r == 0 && !gc->options->dry_run)
                        mf_store_remove_lock(gc->store, id);
        }
        mf_unlock(lock);
        return r;
}

static int collect_leftovers(struct gc *gc)
{
        struct sweep sweep = { .gc = gc };
        struct mf_store_images locks;

        int r = mf_store_sweep(gc->store, on_leftover, &sweep);
        if (sweep.result < 0)
                return sweep.result;
        int result =
                r < 0 ? mf_error_errno(gc->err, r, MAYFLY_STAGE_STORE, "removing leftovers in %s/tmp", gc->path) : 0;
        r = mf_store_list(gc->store, "locks", &locks);
        if (r < 0)
                return result < 0 ? result
                                  : mf_error_errno(gc->err, r, MAYFLY_STAGE_STORE, "reading %s/locks", gc->path);
        r = 0;
        for (size_t i = 0; i < locks.n && r == 0; i++)
                r = collect_lock(gc, locks.id[i]);
        mf_store_images_clear(&locks);
        return r < 0 ? r : result;
}

int mf_store_gc(int store, const char *path, const struct mayfly_gc_options *options, mf_describe_fn describe,
                struct mayfly_gc_result *ret, struct mayfly_error *err)
{
        int (*const steps[])(struct gc *) = { collect_images, collect_layers, collect_leftovers };
        struct gc gc = { .options = options, .describe = describe, .path = path, .store = store, .err = err };
        int result = 0;

        gc.result = (struct mayfly_gc_result) MAYFLY_GC_RESULT_INIT;
        clock_gettime(CLOCK_REALTIME, &gc.now);
        for (size_t i = 0; i < MF_ELEMENTSOF(steps) && result != -ECANCELED; i++) {
                int r = steps[i](&gc);
                if (result == 0 || r == -ECANCELED)
                        result = r;
        }
        *ret = gc.result;
        return result;
}
