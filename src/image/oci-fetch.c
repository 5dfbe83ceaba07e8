/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-fetch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/oci-stored.h"
#include "image/pull-layer.h"
#include "model/oci-name.h"
#include "oci/local.h"
#include "registry/registry.h"
#include "util/error.h"
#include "util/file-url.h"
#include "util/macro.h"
#include "util/time.h"

struct mf_oci_fetch {
        const struct mf_image_request *request;
        char *name; /* of the image */
        struct mf_fetcher image_fetcher, layer_fetcher;
        struct mf_layer_totals totals;

        pthread_mutex_t lock; /* protects the fields below until the image is found */
        struct mf_oci_source *source;
        struct mf_oci_image image;
        int is_found;
};

/* --- places ------------------------------------------------------------------------------------------------------- */

/* Opens the repository of a registry. Returns 0 or negative errno. */
static int open_registry(struct mf_oci_source **ret, const char *text, const struct mayfly_image_options *options,
                         struct mayfly_error *err)
{
        struct mf_oci_name name = { 0 };

        int r = mf_oci_name_parse(&name, text, err);
        if (r == 0)
                r = mf_registry_open(ret, &name, options, err);
        mf_oci_name_clear(&name);
        return r;
}

int mf_oci_is_cancelled(void *userdata)
{
        struct mf_oci_patience *patience = userdata;
        const struct mayfly_image_options *options = patience->options;
        const uint64_t now = mf_now_us();

        if (!options->progress || now < patience->next_us)
                return 0;
        patience->begin_us = patience->begin_us ? patience->begin_us : now;
        patience->next_us = now + 100000;
        const struct mayfly_progress progress = {
                .size = sizeof(progress),
                .phase = MAYFLY_PROGRESS_FETCH,
                .reference = patience->text,
                .elapsed_ms = (now - patience->begin_us) / 1000,
        };
        return options->progress(&progress, options->progress_userdata) != 0;
}

int mf_oci_source_open(struct mf_oci_source **ret, const struct mf_reference *reference,
                       struct mf_oci_patience *patience, struct mayfly_error *err)
{
        const struct mf_spool_limits limits = { patience->options->max_unpacked, mf_oci_is_cancelled, patience };

        if (!reference->url)
                return open_registry(ret, reference->repository, patience->options, err);
        mf_cleanup(mf_freep) char *path = mf_file_url_path(reference->url);
        return path ? mf_oci_local_open(ret, path, &limits, err) : mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
}

int mf_oci_name(const struct mf_reference *reference, char **ret, struct mayfly_error *err)
{
        *ret = reference->url ? mf_file_url_path(reference->url) : strdup(reference->repository);
        return *ret ? 0 : mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
}

/* --- fetching ----------------------------------------------------------------------------------------------------- */

/* Opens the place and finds the image there, unless that was done. `fetch` is locked, `by` the request that the thread sees to. Returns 0 or negative
 * errno. */
static int find_locked(struct mf_oci_fetch *fetch, const struct mf_image_request *by, struct mayfly_error *err)
{
        const struct mf_reference *reference = fetch->request->reference;
        struct mf_oci_patience patience = { .options = by->options, .text = by->text };
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char pin[MF_ID_LENGTH + 1];
        int r = 0;

        if (fetch->is_found)
                return 0;
        if (!fetch->source)
                r = mf_check_fetch(fetch->request, err);
        if (r == 0 && !fetch->source)
                r = mf_oci_source_open(&fetch->source, reference, &patience, err);
        if (r < 0)
                return r;
        mf_digest_of_image_id(reference->id, pin);
        const struct mf_oci_request request = { .source = fetch->source,
                                                .pin = pin,
                                                .name = fetch->name,
                                                .cancelled = mf_oci_is_cancelled,
                                                .userdata = &patience };
        r = mf_oci_resolve(&fetch->image, &request, &why);
        fetch->is_found = r == 0;
        return r < 0 ? mf_error(err, r, why.stage, "image %s@%.19s...: %s", fetch->name, pin, why.message) : 0;
}

static int find(struct mf_oci_fetch *fetch, const struct mf_image_request *by, struct mayfly_error *err)
{
        pthread_mutex_lock(&fetch->lock);
        int r = find_locked(fetch, by, err);
        pthread_mutex_unlock(&fetch->lock);
        return r;
}

/* Writes the image, without its layers. */
static int fetch_image(void *userdata, const struct mf_image_request *request, int dirfd, struct mayfly_error *err)
{
        struct mf_oci_fetch *fetch = userdata;

        int r = find(fetch, request, err);
        return r < 0 ? r : mf_oci_stored_write(&fetch->image, request->reference->id, fetch->name, dirfd, err);
}

/* Pulls a layer. */
static int fetch_layer(void *userdata, const struct mf_image_request *request, int dirfd, struct mayfly_error *err)
{
        struct mf_oci_fetch *fetch = userdata;
        mf_cleanup(mf_freep) char *shown = NULL;

        int r = find(fetch, request, err);
        if (r < 0)
                return r;
        const struct mf_image_config *config = fetch->image.config.image;
        size_t at = 0;
        while (at < config->n_dependencies && strcmp(config->dependencies[at].id, request->reference->id) != 0)
                at++;
        if (at == config->n_dependencies)
                return mf_error(
                        err, -ENOENT, MAYFLY_STAGE_MANIFEST,
                        "image %s in the store has a layer %s that the image in %s does not have: it was fetched "
                        "for another platform; remove it with mayfly gc --all",
                        fetch->name, request->reference->id, fetch->source->shown);
        if (asprintf(&shown, "layer %zu of %zu of image %s", at + 1, config->n_dependencies, fetch->name) < 0) {
                shown = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        }
        const struct mf_layer_pull pull = { .source = fetch->source,
                                            .blob = &fetch->image.manifest.list[at],
                                            .id = request->reference->id,
                                            .shown = shown,
                                            .text = request->text,
                                            .totals = &fetch->totals };
        return mf_pull_layer(&pull, dirfd, request->options, err);
}

/* --- */

int mf_oci_check_signatures(const char *text, const struct mayfly_image_options *options, struct mayfly_error *err)
{
        if (options->signatures != MAYFLY_SIGNATURES_REQUIRED)
                return 0;
        return mf_error(err, -EOPNOTSUPP, MAYFLY_STAGE_SIGNATURE,
                        "signatures are required, but those of OCI images cannot be checked yet, so %.300s cannot be "
                        "used; use an "
                        "ACI, or do not require signatures (MAYFLY_SIGNATURES)",
                        text);
}

int mf_oci_fetch_new(struct mf_oci_fetch **ret, const struct mf_image_request *request, struct mayfly_error *err)
{
        int r = mf_oci_check_signatures(request->text, request->options, err);
        if (r < 0)
                return r;
        struct mf_oci_fetch *fetch = calloc(1, sizeof(*fetch));
        if (!fetch)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        fetch->request = request;
        fetch->image_fetcher = (struct mf_fetcher){ fetch_image, fetch };
        fetch->layer_fetcher = (struct mf_fetcher){ fetch_layer, fetch };
        pthread_mutex_init(&fetch->lock, NULL);
        r = mf_oci_name(request->reference, &fetch->name, err);
        if (r < 0)
                mf_oci_fetch_free(fetch);
        else
                *ret = fetch;
        return r;
}

struct mf_oci_fetch *mf_oci_fetch_free(struct mf_oci_fetch *fetch)
{
        if (fetch) {
                if (fetch->is_found)
                        mf_oci_image_clear(&fetch->image);
                mf_oci_source_free(fetch->source);
                pthread_mutex_destroy(&fetch->lock);
                free(fetch->name);
                free(fetch);
        }
        return NULL;
}

const struct mf_fetcher *mf_oci_image_fetcher(const struct mf_oci_fetch *fetch)
{
        return &fetch->image_fetcher;
}

const struct mf_fetcher *mf_oci_layer_fetcher(const struct mf_oci_fetch *fetch)
{
        return &fetch->layer_fetcher;
}
