/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/render.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/dependencies.h"
#include "store/directory.h"
#include "store/dirs-layer.h"
#include "store/filter-layer.h"
#include "store/kept-layer.h"
#include "store/layer-cache.h"
#include "store/whiteouts.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/trace.h"

/* appc, "Filesystem Setup": first the dependencies, each after its own dependencies, then the image; later layers override
 * earlier ones. If several images depend on one image, it is laid down several times, each time filtered by the whitelists of
 * all images on the way to it. Of the times with equal filters only the last one matters: it lays down the same files later,
 * and it hides or removes whatever an earlier time could. So the walk goes backwards, topmost layer first, and skips an image
 * with a filter that it has seen. It has then seen the dependencies of that image, too. */

struct layer {
        const struct mayfly_image *image;
        const struct mf_whitelist **filter; /* sorted, without duplicates */
        size_t n_filter;
        char id[MF_ID_LENGTH + 1]; /* of the image, or of the layer that is made from it */
        char *rootfs;
        int fd; /* of its directory; -1: not made yet */
        int is_cached;
};

struct render {
        struct mayfly_image *image;
        const struct mf_image_request *request;
        struct mf_whitelist **whitelist;   /* of the image, then of its dependencies; NULL for none */
        struct layer layer[MF_LAYERS_MAX]; /* topmost first */
        size_t n;
        struct mayfly_error *err;
};

/* Returns the index of the whitelist of `one`. */
static size_t index_of(const struct mayfly_image *image, const struct mayfly_image *one)
{
        for (size_t i = 0; i < image->n_dependencies; i++)
                if (image->dependencies[i] == one)
                        return i + 1;
        return 0;
}

/* --- the walk ------------------------------------------------------------------------------------------------- */

/* Returns a copy of the filter with one more whitelist, which may be NULL; allocated, NULL when memory is short. */
static const struct mf_whitelist **add_whitelist(const struct mf_whitelist *const *filter, size_t n,
                                                 const struct mf_whitelist *more, size_t *ret_n)
{
        const struct mf_whitelist **ret = calloc(n + 2, sizeof(*ret));
        size_t at = 0;

        if (!ret)
                return NULL;
        while (at < n && more && mf_whitelist_compare(filter[at], more) < 0)
                at++;
        if (more && at < n && mf_whitelist_compare(filter[at], more) == 0)
                more = NULL;
        for (size_t i = 0; i < n; i++)
                ret[i + (more && i >= at)] = filter[i];
        if (more)
                ret[at] = more;
        *ret_n = n + (more ? 1 : 0);
        return ret;
}

/* Whether the walk has met the image with an equal filter. */
static int was_seen(const struct render *render, const struct layer *layer)
{
        for (size_t i = 0; i < render->n; i++) {
                const struct layer *seen = &render->layer[i];
                /* Different images may have equal whitelists, so compare their contents. */
                size_t same = 0;
                if (seen->image != layer->image || seen->n_filter != layer->n_filter)
                        continue;
                while (same < layer->n_filter && mf_whitelist_compare(seen->filter[same], layer->filter[same]) == 0)
                        same++;
                if (same == layer->n_filter)
                        return 1;
        }
        return 0;
}

/* Adds the layers of `image` and of its dependencies, topmost first. Returns 0 or negative errno. */
static int walk(struct render *render, const struct mayfly_image *image, const struct mf_whitelist *const *filter,
                size_t n_filter)
{
        struct layer layer = { .image = image, .fd = -1 };

        layer.filter =
                add_whitelist(filter, n_filter, render->whitelist[index_of(render->image, image)], &layer.n_filter);
        if (!layer.filter)
                return mf_error_oom(render->err, MAYFLY_STAGE_STORE);
        if (was_seen(render, &layer)) {
                free(layer.filter);
                return 0;
        }
        if (render->n == MF_LAYERS_MAX) {
                free(layer.filter);
                return mf_error(render->err, -E2BIG, MAYFLY_STAGE_MANIFEST,
                                "image %s has more than %u layers (an image counts once for each combination of "
                                "pathWhitelists that applies to it)",
                                render->image->config->name, MF_LAYERS_MAX);
        }
        const int has_files = !image->config->is_layers_only || image->config->n_dependencies == 0;
        if (has_files)
                render->layer[render->n++] = layer;
        int r = 0;
        for (size_t i = image->config->n_dependencies; i > 0 && r == 0; i--)
                r = walk(render, mf_dependency(render->image, &image->config->dependencies[i - 1]), layer.filter,
                         layer.n_filter);
        if (!has_files)
                free(layer.filter);
        return r;
}

/* --- the layers ----------------------------------------------------------------------------------------------- */

/* Sets *ret to the path of the rootfs of a cached layer. Returns 0 or -ENOMEM. */
static int cached_rootfs(const struct render *render, const char *id, char **ret)
{
        if (asprintf(ret, "%s/%s/%s/" MF_ROOTFS, render->request->path, MF_LAYERS, id) < 0) {
                *ret = NULL;
                return mf_error_oom(render->err, MAYFLY_STAGE_STORE);
        }
        return 0;
}

/* Opens a layer: the image itself, or a filtered layer from the cache, which is made when missing. Returns 0 or negative
 * errno. */
static int make_layer(const struct render *render, struct layer *layer)
{
        struct mf_filter filter = { layer->image->id, layer->image->dir_fd, layer->filter, layer->n_filter };
        struct mf_cached_layer cached;

        if (layer->n_filter == 0) {
                strcpy(layer->id, layer->image->id);
                layer->fd = layer->image->dir_fd;
                layer->rootfs = strdup(layer->image->rootfs);
                return layer->rootfs ? 0 : mf_error_oom(render->err, MAYFLY_STAGE_STORE);
        }
        int r = mf_filter_layer(&cached, &filter, render->err);
        if (r < 0)
                return r;
        strcpy(layer->id, cached.id);
        cached.only_stored = render->request->only_stored;
        r = mf_layer_cache_open(&layer->fd, render->request->store, render->request->path, &cached, render->err);
        layer->is_cached = r == 0;
        free(cached.text);
        return r < 0 ? r : cached_rootfs(render, layer->id, &layer->rootfs);
}

/* Adds a layer on top where merged directories would have a wrong owner, mode or time. Returns 0 or negative errno. */
static int make_directories(const struct render *render, struct layer *top)
{
        mf_cleanup(mf_freep) struct mf_dirs_of *of = calloc(render->n + 1, sizeof(*of));
        struct mf_dirs directories = { of, render->n, render->image->config->is_layers_only };
        struct mf_cached_layer cached;
        int r = of ? 0 : mf_error_oom(render->err, MAYFLY_STAGE_STORE);

        for (size_t i = 0; i < render->n && r == 0; i++) {
                const struct layer *layer = &render->layer[render->n - 1 - i];
                of[i] = (struct mf_dirs_of){ .id = layer->id, .image_id = layer->image->id, .fd = layer->fd };
                r = mf_dirs_list_load(MF_IMPLIED_DIRS, &of[i].implicit, layer->fd);
                if (r == 0)
                        r = mf_dirs_list_load(MF_OPAQUE_DIRS, &of[i].opaque, layer->fd);
                if (r < 0)
                        mf_error_errno(render->err, r, MAYFLY_STAGE_STORE,
                                       "the lists of directories of %s cannot be read", layer->id);
        }
        if (r == 0)
                r = mf_dirs_layer(&cached, &directories, render->err);
        if (r > 0) {
                cached.only_stored = render->request->only_stored;
                r = mf_layer_cache_open(&top->fd, render->request->store, render->request->path, &cached, render->err);
                top->is_cached = r == 0;
                if (r == 0)
                        r = cached_rootfs(render, cached.id, &top->rootfs);
                strcpy(top->id, cached.id);
                free(cached.text);
        }
        for (size_t i = 0; of && i < render->n; i++) {
                mf_paths_clear(&of[i].implicit);
                mf_paths_clear(&of[i].opaque);
        }
        return r;
}

/* Replaces a layer by its copy for a user who keeps the ID. Returns 0 or negative errno. */
static int keep_ids(const struct render *render, const char *image_id, struct layer *layer)
{
        struct mf_kept_layer of = { layer->id, image_id, layer->fd, *render->request->kept };
        struct mf_cached_layer cached;
        int fd;

        int r = mf_kept_layer(&cached, &of, render->err);
        if (r < 0)
                return r;
        cached.only_stored = render->request->only_stored;
        r = mf_layer_cache_open(&fd, render->request->store, render->request->path, &cached, render->err);
        if (r == 0) {
                if (layer->is_cached)
                        mf_close(layer->fd);
                free(mf_take(layer->rootfs));
                layer->fd = fd;
                layer->is_cached = 1;
                strcpy(layer->id, cached.id);
                r = cached_rootfs(render, layer->id, &layer->rootfs);
        }
        free(cached.text);
        return r;
}

/* Replaces all of them, where the container's user keeps the ID. */
static int keep_all_ids(struct render *render, struct layer *top)
{
        int r = 0;

        if (!render->request->kept)
                return 0;
        for (size_t i = 0; i < render->n && r == 0; i++)
                r = keep_ids(render, render->layer[i].image->id, &render->layer[i]);
        return r == 0 && top->rootfs ? keep_ids(render, render->image->id, top) : r;
}

/* Moves a layer to the image. Returns 0 or -ENOMEM. */
static int hand_over(struct mayfly_image *image, struct layer *layer)
{
        if (layer->is_cached)
                image->locks[image->n_locks++] = mf_take_fd(&layer->fd);
        return mf_strv_add(&image->layers, mf_take(layer->rootfs));
}

/* Leaves out the layers below one whose root hides what is below: overlayfs looks at no mark of a root. Returns 0 or negative errno. */
static int cut_below_opaque(struct render *render)
{
        for (size_t i = 0; i + 1 < render->n; i++) {
                struct mf_paths opaque = { 0 };
                int r = render->image->config->is_layers_only
                                ? mf_dirs_list_load(MF_OPAQUE_DIRS, &opaque, render->layer[i].image->dir_fd)
                                : 0;
                int is_opaque = r == 0 && mf_paths_has(&opaque, MF_ROOTFS);
                mf_paths_clear(&opaque);
                if (r < 0)
                        return mf_error_errno(render->err, r, MAYFLY_STAGE_STORE,
                                              "the lists of directories of %s cannot be read",
                                              render->layer[i].image->id);
                if (!is_opaque)
                        continue;
                while (render->n > i + 1)
                        free(render->layer[--render->n].filter);
        }
        return 0;
}

/* Makes all layers and moves them to the image. Returns 0 or negative errno. */
static int make_layers(struct render *render)
{
        struct layer top = { .fd = -1 };
        struct mayfly_image *image = render->image;
        int r = 0;

        for (size_t i = 0; i < render->n && r == 0; i++)
                r = make_layer(render, &render->layer[i]);
        if (r == 0)
                r = make_directories(render, &top);
        if (r == 0)
                r = keep_all_ids(render, &top);
        if (r == 0) {
                image->locks = calloc(render->n + 1, sizeof(int));
                r = image->locks ? 0 : -ENOMEM;
                for (size_t i = render->n; i > 0 && r == 0; i--)
                        r = hand_over(image, &render->layer[i - 1]);
                if (r == 0 && top.rootfs)
                        r = hand_over(image, &top);
                if (r < 0)
                        mf_error_oom(render->err, MAYFLY_STAGE_STORE);
        }
        if (top.is_cached)
                mf_close(top.fd);
        free(top.rootfs);
        return r;
}

int mf_render(struct mayfly_image *image, const struct mf_image_request *request, struct mayfly_error *err)
{
        struct render *render = calloc(1, sizeof(*render));
        size_t n = image->n_dependencies + 1;
        int r = 0;
        MF_TRACE("render", request->reference->id);

        if (render) {
                *render = (struct render){ .image = image, .request = request, .err = err };
                render->whitelist = calloc(n, sizeof(*render->whitelist));
        }
        if (!render || !render->whitelist)
                r = mf_error_oom(err, MAYFLY_STAGE_STORE);
        for (size_t i = 0; i < n && r == 0; i++) {
                const struct mayfly_image *one = i ? image->dependencies[i - 1] : image;
                if (one->config->whitelist && mf_whitelist_new(&render->whitelist[i], one->config->whitelist) < 0)
                        r = mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        if (r == 0)
                r = walk(render, image, NULL, 0);
        if (r == 0)
                r = cut_below_opaque(render);
        if (r == 0)
                r = make_layers(render);
        for (size_t i = 0; render && i < render->n; i++) {
                free(render->layer[i].filter);
                free(render->layer[i].rootfs);
                if (render->layer[i].is_cached)
                        mf_close(render->layer[i].fd);
        }
        for (size_t i = 0; render && render->whitelist && i < n; i++)
                mf_whitelist_free(render->whitelist[i]);
        if (render)
                free(render->whitelist);
        free(render);
        return r;
}
