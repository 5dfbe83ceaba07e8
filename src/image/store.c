/* SPDX-License-Identifier: MIT */

/* The public functions on the store that need to know what an image is called. */

#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

#include <mayfly/store.h>

#include "image/delegate.h"
#include "image/stored.h"
#include "privilege/userns.h"
#include "store/directory.h"
#include "store/gc.h"
#include "store/unflushed.h"
#include "trust/verify-signature.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/strv.h"

/* Collects, and flushes what is left, so that it can be used after the next boot without a check. */
static int collect(int store, const char *path, const struct mayfly_gc_options *options, struct mayfly_gc_result *ret,
                   struct mayfly_error *err)
{
        int r = mf_store_gc(store, path, options, mf_stored_describe, ret, err);

        if (r < 0 || options->dry_run)
                return r;
        r = mf_unflushed_flush_all(store);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "some images of the store %s cannot be flushed to the disk (check the disk; the "
                                      "images are fetched again when they are needed)",
                                      path)
                     : 0;
}

MF_EXPORT int mayfly_store_gc(struct mayfly_gc_result *ret, const struct mayfly_gc_options *given,
                              struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the gc options", "MAYFLY_GC_OPTIONS_INIT", struct mayfly_gc_options, userdata);
        static const struct mf_option_kind result_kind =
                MF_OPTION_KIND("the gc result to fill", "MAYFLY_GC_RESULT_INIT", struct mayfly_gc_result, layers);
        struct mayfly_gc_options options = MAYFLY_GC_OPTIONS_INIT;
        struct mayfly_gc_result result = MAYFLY_GC_RESULT_INIT;
        mf_cleanup(mf_closep) int store = -1;
        mf_cleanup(mf_freep) char *path = NULL;

        int r = mf_options_take(&options, given, &kind, err);
        if (r == 0)
                r = mf_result_check(ret, &result_kind, err);
        if (r == 0)
                r = mf_store_path(options.store, &path, err);
        if (r < 0)
                return r;
        r = mf_store_open(path, 0, &store, err);
        options.store = path;
        if (r == 0)
                r = mf_privilege_is_delegated() ? mf_delegate_gc(&options, &result, err)
                                                : collect(store, path, &options, &result, err);
        else if (r == -ENOENT) /* nothing to collect */
                r = 0;
        mf_result_give(ret, &result, &result_kind);
        return r;
}

/* --- the list --------------------------------------------------------------------------------------------------- */

static void free_image(struct mayfly_stored_image *image)
{
        free((char *) (uintptr_t) image->id);
        free((char *) (uintptr_t) image->path);
        free((char *) (uintptr_t) image->name);
        mf_strv_free((char **) (uintptr_t) image->labels);
        free((char *) (uintptr_t) image->signer);
        free((char *) (uintptr_t) image->signer_name);
        free(image);
}

MF_EXPORT struct mayfly_stored_image **mayfly_store_list_free(struct mayfly_stored_image **images)
{
        for (size_t i = 0; images && images[i]; i++)
                free_image(images[i]);
        free(images);
        return NULL;
}

static int copy_signer(struct mayfly_stored_image *image, int fd)
{
        struct mf_signature_note note;

        if (mf_signature_note_read(fd, image->id, &note) < 0)
                return 0;
        image->signer = strdup(note.signature.key);
        image->signer_name = strdup(note.signature.user_id);
        return image->signer && image->signer_name ? 0 : -ENOMEM;
}

/* Whether somebody has the image locked: asks for the lock that only a user's would keep us from getting. */
static int is_in_use(int store, const char *id)
{
        mf_cleanup(mf_closep) int fd = -1;

        int r = mf_store_open_locked(store, MF_IMAGES, id, LOCK_EX, &fd);
        mf_unlock(fd);
        return r == -EWOULDBLOCK;
}

static int fill_image(struct mayfly_stored_image *image, int store, const char *path, const char *id, int fd,
                      const struct mf_stored *stored)
{
        struct mf_description description = { 0 };
        int64_t now = (int64_t) time(NULL);
        char *directory = NULL;

        *image = (struct mayfly_stored_image){ .size = sizeof(*image),
                                               .id = strdup(id),
                                               .bytes = stored->bytes,
                                               .last_used = stored->used.tv_sec < now ? stored->used.tv_sec : now,
                                               .in_use = is_in_use(store, id) };
        if (!image->id || asprintf(&directory, "%s/%s/%s", path, MF_IMAGES, id) < 0)
                return -ENOMEM;
        image->path = directory;
        int r = mf_stored_describe(fd, directory, &description);
        image->name = description.name;
        image->labels = (const char *const *) description.labels;
        return r < 0 ? r : copy_signer(image, fd);
}

/* Sets *ret, or leaves it NULL when the image is gone by now. Returns 0 or negative errno. */
static int list_image(int store, const char *path, const char *id, struct mayfly_stored_image **ret)
{
        mf_cleanup(mf_closep) int fd = -1;
        struct mf_stored stored;

        int r = mf_store_look_at(store, id, &stored, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        struct mayfly_stored_image *image = calloc(1, sizeof(*image));
        r = image ? fill_image(image, store, path, id, fd, &stored) : -ENOMEM;
        if (image && r < 0)
                free_image(image);
        else if (r == 0)
                *ret = image;
        return r;
}

static int compare_use(const void *a, const void *b)
{
        const struct mayfly_stored_image *const *one = a, *const *other = b;

        if ((*one)->last_used != (*other)->last_used)
                return (*one)->last_used < (*other)->last_used ? -1 : 1;
        return strcmp((*one)->id, (*other)->id);
}

static int list_images(int store, const char *path, const struct mf_store_images *ids,
                       struct mayfly_stored_image ***ret, struct mayfly_error *err)
{
        struct mayfly_stored_image **list = calloc(ids->n + 1, sizeof(*list));
        size_t n = 0;
        int r = list ? 0 : -ENOMEM;

        for (size_t i = 0; i < ids->n && r == 0; i++) {
                r = list_image(store, path, ids->id[i], &list[n]);
                n += list[n] != NULL;
        }
        if (r < 0) {
                mayfly_store_list_free(list);
                return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_STORE)
                                    : mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                                     "the images of the store %s cannot be read", path);
        }
        if (n > 0)
                qsort(list, n, sizeof(*list), compare_use);
        *ret = list;
        return 0;
}

MF_EXPORT int mayfly_store_list(struct mayfly_stored_image ***ret, const char *given, struct mayfly_error *err)
{
        struct mf_store_images ids = { 0 };
        mf_cleanup(mf_closep) int store = -1;
        mf_cleanup(mf_freep) char *path = NULL;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_store_list() needs a pointer for its result, but it is NULL");
        int r = mf_store_path(given, &path, err);
        if (r < 0)
                return r;
        r = mf_store_open(path, 0, &store, err);
        if (r < 0 && r != -ENOENT)
                return r;
        r = store < 0 ? 0 : mf_store_list(store, MF_IMAGES, &ids);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "%s/" MF_IMAGES " cannot be read", path);
        r = list_images(store, path, &ids, ret, err);
        mf_store_images_clear(&ids);
        return r;
}
