/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/open.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/file.h>

#include "image/collect.h"
#include "image/delegate.h"
#include "image/dependencies.h"
#include "image/get.h"
#include "image/oci-fetch.h"
#include "image/render.h"
#include "model/image-options.h"
#include "model/show.h"
#include "privilege/userns.h"
#include "store/directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/program-path.h"
#include "util/strv.h"
#include "util/trace.h"

/* Removes an OCI image whose layers could not be fetched, unless another process uses it: in a list it would look like a whole one. The
 * layers that are there stay for the next try. */
static void discard(const struct mf_image_request *request)
{
        const char *id = request->reference->id;
        mf_cleanup(mf_closep) int lock = -1, fd = -1;
        char name[MF_TMP_NAME_MAX];

        if (mf_store_lock(request->store, id, &lock) < 0)
                return;
        if (mf_store_open_locked(request->store, MF_IMAGES, id, LOCK_EX, &fd) == 0 &&
            mf_store_move_to_tmp(request->store, MF_IMAGES, id, name) == 0) {
                mf_store_remove_lock(request->store, id);
                mf_store_remove_if_unused(request->store, name, fd);
        }
        mf_unlock(fd);
        mf_unlock(lock);
}

/* Opens the image, its dependencies and its layers. Returns 0 or negative errno, and with request->only_stored as in get.h. */
static int open_in_store(struct mayfly_image **ret, const struct mf_image_request *request, struct mayfly_error *err)
{
        struct mayfly_image *image = NULL;

        int r = mf_image_get(&image, request, request->only_stored, err);
        if (r == 0 && request->reference->name)
                r = mf_image_name_match(request->reference->name, image->config, err);
        if (r == 0)
                r = mf_dependencies_open(image, request, err);
        if (r == 0)
                r = mf_render(image, request, err);
        if (r == 0 && mayfly_image_was_fetched(image))
                mf_collect(request);
        if (r == 0)
                *ret = image;
        if (r == 0)
                return 0;
        const int is_partial = image && image->fetched && request->layer_fetcher;
        mayfly_image_close(image);
        if (is_partial)
                discard(request);
        return r;
}

/* Does the same for an image of any format. */
static int open_all(struct mayfly_image **ret, const struct mf_image_request *request, struct mayfly_error *err)
{
        struct mf_image_request with_fetchers = *request;
        struct mf_oci_fetch *fetch = NULL;

        if (request->reference->format != MF_FORMAT_OCI)
                return open_in_store(ret, request, err);
        int r = mf_oci_fetch_new(&fetch, request, err);
        if (r < 0)
                return r;
        with_fetchers.fetcher = mf_oci_image_fetcher(fetch);
        with_fetchers.layer_fetcher = mf_oci_layer_fetcher(fetch);
        r = open_in_store(ret, &with_fetchers, err);
        mf_oci_fetch_free(fetch);
        return r;
}

/* Lets mayfly-helper fetch the image, which then keeps it open until it is open here. */
static int open_delegated(struct mayfly_image **ret, const struct mf_image_request *request, struct mayfly_error *err)
{
        struct mf_call_result call = MF_CALL_RESULT_INIT;
        struct mf_image_request here = *request;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int fetched = 0;

        here.only_stored = 1;
        int r = open_all(ret, &here, &why);
        if (r == 0)
                return 0;
        if (r != -ENOENT || why.code) {
                mf_error_copy(err, r, why.stage, why.message);
                return r;
        }
        r = mf_delegate_open(request, &call, &fetched, err);
        if (r == 0) {
                r = open_all(ret, &here, &why);
                if (r == -ENOENT && !why.code)
                        r = mf_error(&why, -EIO, MAYFLY_STAGE_STORE,
                                     "image %s was opened by mayfly-helper, but it cannot be opened by this process; "
                                     "check whether another program writes to the store %s",
                                     request->reference->id, request->path);
                if (r < 0)
                        mf_error_copy(err, r, why.stage, why.message);
                else
                        (*ret)->fetched = fetched;
        }
        mf_call_end(&call);
        return r;
}

/* Whether mayfly-helper is to fetch the image: always for an ordinary user, who cannot. For root where a signature is to be checked,
 * because GPGME forks, and leaves gpg to PID 1: this program's wait(2) would see the one, and the other would stay as a zombie where
 * PID 1 does not reap. Without mayfly-helper root does it here. */
static int is_for_helper(const struct mayfly_image_options *options)
{
        mf_cleanup(mf_freep) char *program = NULL;

        if (mf_privilege_is_delegated())
                return 1;
        return mf_wants_signature(options) && mf_program_path("mayfly-helper", &program, NULL) == 0;
}

static int open_text(struct mayfly_image **ret, const char *text, const struct mayfly_image_options *options,
                     const struct mf_keep_ids *kept, int for_helper, struct mayfly_error *err)
{
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *path = NULL;
        mf_cleanup(mf_closep) int store = -1;
        char shown[MF_SHOWN_MAX];

        mf_show_url(shown, text, 1);
        MF_TRACE("open", shown);
        int r = mf_reference_parse(&reference, text, options->allow_http, err);
        if (r < 0)
                return r;
        r = mf_store_path(options->store, &path, err);
        if (r == 0)
                r = mf_store_open(path, 1, &store, err);
        const struct mf_image_request request = {
                .store = store, .path = path, .reference = &reference, .text = text, .options = options, .kept = kept
        };
        if (r == 0)
                r = for_helper ? open_delegated(ret, &request, err) : open_all(ret, &request, err);
        mf_reference_clear(&reference);
        return r;
}

int mf_image_open(struct mayfly_image **ret, const char *text, const struct mayfly_image_options *options,
                  const struct mf_keep_ids *kept, struct mayfly_error *err)
{
        return open_text(ret, text, options, kept, 0, err);
}

int mf_image_open_kept(struct mayfly_image **ret, const char *text, const struct mayfly_image_options *given,
                       const struct mf_keep_ids *kept, struct mayfly_error *err)
{
        struct mayfly_image_options options;

        int r = mf_image_options_take(given, &options, err);
        return r < 0 ? r : open_text(ret, text, &options, kept, is_for_helper(&options), err);
}

MF_EXPORT int mayfly_image_open(struct mayfly_image **ret, const char *reference_text,
                                const struct mayfly_image_options *given, struct mayfly_error *err)
{
        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_image_open() needs a pointer for its result, but it is NULL");
        return mf_image_open_kept(ret, reference_text, given, NULL, err);
}

MF_EXPORT struct mayfly_image *mayfly_image_close(struct mayfly_image *image)
{
        if (image) {
                mf_image_config_free(image->config);
                for (size_t i = 0; i < image->n_dependencies; i++)
                        mayfly_image_close(image->dependencies[i]);
                free(image->dependencies);
                for (size_t i = 0; i < image->n_locks; i++) {
                        mf_store_touch(image->locks[i]);
                        mf_close(image->locks[i]);
                }
                free(image->locks);
                mf_strv_free(image->layers);
                if (image->dir_fd >= 0)
                        mf_store_touch(image->dir_fd);
                mf_close(image->dir_fd); /* and the lock with the last copy of it */
                free(image->id);
                free(image->path);
                free(image->rootfs);
                free(image);
        }
        return NULL;
}

/* What the functions below return for NULL: an empty list can be looked through. */
static const char *const nothing[] = { NULL };

MF_EXPORT const char *mayfly_image_id(const struct mayfly_image *image)
{
        return image ? image->id : NULL;
}

MF_EXPORT const char *mayfly_image_name(const struct mayfly_image *image)
{
        return image ? image->config->name : NULL;
}

MF_EXPORT const char *const *mayfly_image_labels(const struct mayfly_image *image)
{
        return image ? (const char *const *) image->config->labels : nothing;
}

MF_EXPORT const char *mayfly_image_rootfs(const struct mayfly_image *image)
{
        return image ? image->rootfs : NULL;
}

MF_EXPORT const char *const *mayfly_image_layers(const struct mayfly_image *image)
{
        return image ? (const char *const *) image->layers : nothing;
}

MF_EXPORT int mayfly_image_was_fetched(const struct mayfly_image *image)
{
        int fetched = image && image->fetched;

        for (size_t i = 0; image && i < image->n_dependencies; i++)
                fetched |= image->dependencies[i]->fetched;
        return fetched;
}

MF_EXPORT const struct mayfly_isolator *const *mayfly_image_isolators(const struct mayfly_image *image)
{
        static const struct mf_isolators none;

        return mf_isolators_list(image ? &image->config->isolation.isolators : &none);
}
