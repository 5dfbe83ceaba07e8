/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/pull-layer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "archive/read.h"
#include "image/pipeline.h"
#include "oci/layer-rules.h"
#include "store/unpack-errors.h"
#include "store/unpack.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/ring.h"
#include "util/trace.h"

#define RING_SIZE (1U << 19)

struct pull {
        const struct mf_layer_pull *request;
        const struct mayfly_image_options *options;
        struct mf_pipeline pipeline;
        struct mf_digest *blob_digest; /* NULL: the blob is the tar, whose digest says all */
        struct mf_digest *diff_digest;
        struct mf_layer *layer; /* NULL: the layer is only checked */
        char giver[640];        /* the places that gave the blob; empty: the source has one place */
};

/* --- the stages --------------------------------------------------------------------------------------------------- */

static int on_blob_bytes(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        if (atomic_fetch_add(&pull->pipeline.bytes_done, size) + size > pull->request->blob->size)
                return -EMSGSIZE;
        int r = pull->blob_digest ? mf_digest_update(pull->blob_digest, data, size) : 0;
        return r < 0 ? r : mf_ring_push(pull->pipeline.blob, data, size);
}

static int is_cancelled(void *userdata)
{
        struct pull *pull = userdata;

        return mf_pipeline_is_cancelled(&pull->pipeline);
}

static void note_giver(void *userdata, const char *place)
{
        struct pull *pull = userdata;
        size_t n = strlen(pull->giver);

        snprintf(pull->giver + n, sizeof(pull->giver) - n, "%s%.280s", n > 0 ? " and " : "", place);
}

/* Returns the place that gave the blob, for messages. */
static const char *giver(const struct pull *pull)
{
        return pull->giver[0] ? pull->giver : pull->request->source->shown;
}

/* Compares the blob's size and digest with those of the manifest. Returns 0 or negative errno. */
static int check_blob(struct pull *pull, struct mayfly_error *err)
{
        const struct mf_oci_descriptor *blob = pull->request->blob;
        const uint64_t size = atomic_load(&pull->pipeline.bytes_done);
        char id[MF_ID_LENGTH + 1], digest[MF_ID_LENGTH + 1];

        if (size != blob->size)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                "%s has %s%llu bytes as its blob %s, but the manifest says %llu", giver(pull),
                                size > blob->size ? "at least " : "", (unsigned long long) size, blob->digest,
                                (unsigned long long) blob->size);
        if (!pull->blob_digest)
                return 0;
        if (mf_digest_final(pull->blob_digest, id) < 0)
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "a digest cannot be computed: libcrypto failed");
        mf_digest_of_image_id(id, digest);
        return strcmp(digest, blob->digest) == 0
                       ? 0
                       : mf_error(
                                 err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                 "%s gave another blob than it was asked for: expected %s, actual %s; if it is a copy, "
                                 "make it again",
                                 giver(pull), blob->digest, digest);
}

static void *read_stage(void *userdata)
{
        struct pull *pull = userdata;
        const struct mf_oci_descriptor *descriptor = pull->request->blob;
        const struct mf_oci_blob blob = { descriptor->digest, descriptor->size, (const char *const *) descriptor->urls,
                                          0 };
        const struct mf_oci_sink sink = { on_blob_bytes, is_cancelled, pull, note_giver };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE("fetch", pull->request->shown);

        int r = pull->request->source->type->get_blob(pull->request->source, &blob, &sink, &err);
        if (r == 0 || r == -EMSGSIZE)
                r = check_blob(pull, &err);
        else if (r == -ENOMEM)
                mf_error_oom(&err, MAYFLY_STAGE_STORE);
        mf_pipeline_end_stage(&pull->pipeline, r, &err); /* before the ring ends, so that this error is the first */
        mf_ring_finish(pull->pipeline.blob, r < 0);
        return NULL;
}

static int on_tar_bytes(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        atomic_fetch_add(&pull->pipeline.bytes_unpacked, size);
        if (atomic_fetch_add(&pull->request->totals->bytes_unpacked, size) + size > pull->options->max_unpacked)
                return -EFBIG;
        int r = mf_digest_update(pull->diff_digest, data, size);
        if (r >= 0 && pull->request->copy)
                r = mf_write_full(*pull->request->copy, data, size);
        return r < 0 ? r : mf_ring_push(pull->pipeline.tar, data, size);
}

static void *decompress_stage(void *userdata)
{
        struct pull *pull = userdata;
        MF_TRACE("verify", pull->request->shown);

        mf_pipeline_decompress(&pull->pipeline, mf_decompress_layer, on_tar_bytes, pull);
        return NULL;
}

static int on_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct pull *pull = userdata;
        struct mf_oci_place place;

        atomic_fetch_add(&pull->pipeline.entries, 1);
        if (atomic_fetch_add(&pull->request->totals->entries, 1) + 1 > pull->options->max_entries)
                return mf_too_many_entries(err, pull->options->max_entries);
        int r = mf_oci_entry_place(entry, &place, err);
        if (r < 0 || place.role == MF_OCI_IGNORED)
                return r;
        if (!pull->layer)
                return place.role == MF_OCI_ENTRY ? mf_entry_check(entry, err) : 0;
        if (place.role != MF_OCI_ENTRY)
                return mf_layer_hide(pull->layer, place.path, place.role == MF_OCI_OPAQUE, entry, err);
        if (entry->has_acl && !pull->pipeline.acl && !(pull->pipeline.acl = strdup(entry->name)))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return mf_layer_add(pull->layer, place.path, place.target, entry, err);
}

static void *unpack_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE("unpack", pull->request->shown);

        int r = mf_untar_layer(pull->pipeline.tar, on_entry, pull, &err);
        if (r == 0 && pull->layer)
                r = mf_layer_finish(pull->layer, &err);
        mf_pipeline_end_stage(&pull->pipeline, r, &err);
        mf_ring_abandon(pull->pipeline.tar);
        return NULL;
}

/* --- all together ------------------------------------------------------------------------------------------------- */

/* Returns the result of all stages, and compares the diff_id. */
static int conclude(struct pull *pull, struct mayfly_error *err)
{
        char id[MF_ID_LENGTH + 1], expected[MF_ID_LENGTH + 1], actual[MF_ID_LENGTH + 1];

        if (pull->pipeline.result == -ECANCELED)
                return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", pull->request->shown);
        if (pull->pipeline.result == -EBADMSG && pull->pipeline.error.stage == MAYFLY_STAGE_ARCHIVE &&
            pull->blob_digest)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "%s: %.3000s; its digest could not be checked (expected %s)%s%s", pull->request->shown,
                                pull->pipeline.error.message, pull->request->blob->digest,
                                pull->giver[0] ? "; it came from " : "", pull->giver);
        if (pull->pipeline.result < 0)
                return mf_error(err, pull->pipeline.result, pull->pipeline.error.stage, "%s: %.3000s",
                                pull->request->shown, pull->pipeline.error.message);
        if (mf_digest_final(pull->diff_digest, id) < 0)
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST, "a digest cannot be computed: libcrypto failed");
        if (strcmp(id, pull->request->id) == 0)
                return 0;
        mf_digest_of_image_id(pull->request->id, expected);
        mf_digest_of_image_id(id, actual);
        if (!pull->blob_digest) /* the layer is not compressed: both digests are one */
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                "%s: %s gave another blob than it was asked for: expected %s, actual %s; if it is a "
                                "copy, make it again",
                                pull->request->shown, giver(pull), expected, actual);
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                        "%s: its content is not that of the image's config: expected diff_id %s, actual %s; make the "
                        "image again",
                        pull->request->shown, expected, actual);
}

/* Makes the rings and the digests, and prepares the directory, unless `dirfd` is -1. Returns 0 or negative errno. */
static int prepare(struct pull *pull, int dirfd, struct mayfly_error *err)
{
        const struct mf_oci_descriptor *blob = pull->request->blob;
        char id[MF_ID_LENGTH + 1];

        int r = mf_pipeline_init(&pull->pipeline, RING_SIZE, err);
        if (r < 0)
                return r;
        atomic_store(&pull->pipeline.bytes_total, blob->size);
        pull->diff_digest = mf_digest_new_like(pull->request->id);
        int is_tar = mf_image_id_of_digest(blob->digest, id) == 0 && strcmp(id, pull->request->id) == 0;
        if (!is_tar)
                pull->blob_digest = mf_digest_new_like(blob->digest);
        if (!pull->diff_digest || (!is_tar && !pull->blob_digest))
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        if (dirfd < 0)
                return 0;
        errno = 0;
        pull->layer = mf_layer_new(dirfd, pull->request->id);
        if (!pull->layer)
                return mf_error_errno(err, errno ? -errno : -ENOMEM, MAYFLY_STAGE_STORE,
                                      "%s cannot be unpacked into the store", pull->request->shown);
        mf_layer_set_partial(pull->layer);
        mf_layer_set_limit(pull->layer, &pull->request->totals->entries, pull->options->max_entries);
        return 0;
}

int mf_pull_layer(const struct mf_layer_pull *request, int dirfd, const struct mayfly_image_options *options,
                  struct mayfly_error *err)
{
        static void *(*const stages[])(void *) = { unpack_stage, decompress_stage, read_stage };
        struct pull pull = { .request = request,
                             .options = options,
                             .pipeline = { .options = options, .reference = request->text, .what = "the layer" } };

        int r = prepare(&pull, dirfd, err);
        if (r == 0) {
                mf_pipeline_run(&pull.pipeline, stages, MF_ELEMENTSOF(stages), NULL, &pull);
                r = conclude(&pull, err);
        }
        if (r == 0)
                r = mf_pipeline_warn(&pull.pipeline, request->shown, err);
        mf_layer_free(pull.layer);
        mf_digest_free(pull.diff_digest);
        mf_digest_free(pull.blob_digest);
        mf_pipeline_clear(&pull.pipeline);
        return r;
}

int mf_check_layer(const struct mf_layer_pull *request, const struct mayfly_image_options *options,
                   struct mayfly_error *err)
{
        return mf_pull_layer(request, -1, options, err);
}
