/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/pull-layer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/digest.h"
#include "archive/read.h"
#include "oci/layer-rules.h"
#include "store/unpack-errors.h"
#include "store/unpack.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/macro.h"
#include "util/ring.h"
#include "util/time.h"

#define RING_SIZE (1U << 19)
#define REPORT_MS 100U

struct pull {
        const struct mf_layer_pull *request;
        const struct mayfly_image_options *options;
        struct mf_ring *blob;          /* read | decompress */
        struct mf_ring *tar;           /* decompress | unpack */
        struct mf_digest *blob_digest; /* NULL: the blob is the tar, whose digest says all */
        struct mf_digest *diff_digest;
        struct mf_layer *layer; /* NULL: the layer is only checked */
        char *acl;              /* the name of the first entry with ACLs, allocated */
        char giver[640];        /* the places that gave the blob; empty: the source has one place */
        atomic_int cancelled, failing;
        atomic_uint_least64_t bytes_done, bytes_unpacked, entries;

        pthread_mutex_t lock;
        pthread_cond_t stage_ended;
        int running; /* number of stages */
        int result;  /* of the stage that failed first, not counting -EPIPE */
        struct mayfly_error error;
};

/* Ends a stage. A stage that only failed because its neighbour did has -EPIPE, which does not count as a cause. */
static void end_stage(struct pull *pull, int r, const struct mayfly_error *err)
{
        pthread_mutex_lock(&pull->lock);
        if (r < 0 && r != -EPIPE && pull->result == 0) {
                pull->result = r;
                pull->error = *err;
                atomic_store(&pull->failing, 1);
        }
        pull->running--;
        pthread_cond_broadcast(&pull->stage_ended);
        pthread_mutex_unlock(&pull->lock);
}

/* --- the stages --------------------------------------------------------------------------------------------------- */

static int on_blob_bytes(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        if (atomic_fetch_add(&pull->bytes_done, size) + size > pull->request->blob->size)
                return -EMSGSIZE;
        int r = pull->blob_digest ? mf_digest_update(pull->blob_digest, data, size) : 0;
        return r < 0 ? r : mf_ring_push(pull->blob, data, size);
}

static int is_cancelled(void *userdata)
{
        struct pull *pull = userdata;

        return atomic_load(&pull->cancelled) || atomic_load(&pull->failing);
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
        const uint64_t size = atomic_load(&pull->bytes_done);
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

        int r = pull->request->source->type->get_blob(pull->request->source, &blob, &sink, &err);
        if (r == 0 || r == -EMSGSIZE)
                r = check_blob(pull, &err);
        else if (r == -ENOMEM)
                mf_error_oom(&err, MAYFLY_STAGE_STORE);
        end_stage(pull, r, &err); /* before the ring ends, so that this error is the first */
        mf_ring_finish(pull->blob, r < 0);
        return NULL;
}

static int on_tar_bytes(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        atomic_fetch_add(&pull->bytes_unpacked, size);
        if (atomic_fetch_add(&pull->request->totals->bytes_unpacked, size) + size > pull->options->max_unpacked)
                return -EFBIG;
        int r = mf_digest_update(pull->diff_digest, data, size);
        return r < 0 ? r : mf_ring_push(pull->tar, data, size);
}

static void *decompress_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mf_decompress_layer(pull->blob, on_tar_bytes, pull, &err);
        if (r == -EFBIG)
                mf_error(&err, r, MAYFLY_STAGE_ARCHIVE,
                         "the decompressed image is larger than max_unpacked = %llu bytes; raise max_unpacked if the "
                         "image is meant to be so large",
                         (unsigned long long) pull->options->max_unpacked);
        else if (r < 0 && r != -EPIPE)
                mf_error_errno(&err, r, MAYFLY_STAGE_ARCHIVE, "the layer cannot be decompressed");
        end_stage(pull, r, &err);
        mf_ring_abandon(pull->blob);
        mf_ring_finish(pull->tar, r < 0);
        return NULL;
}

static int on_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct pull *pull = userdata;
        struct mf_oci_place place;

        atomic_fetch_add(&pull->entries, 1);
        if (atomic_fetch_add(&pull->request->totals->entries, 1) + 1 > pull->options->max_entries)
                return mf_too_many_entries(err, pull->options->max_entries);
        int r = mf_oci_entry_place(entry, &place, err);
        if (r < 0 || place.role == MF_OCI_IGNORED)
                return r;
        if (!pull->layer)
                return place.role == MF_OCI_ENTRY ? mf_entry_check(entry, err) : 0;
        if (place.role != MF_OCI_ENTRY)
                return mf_layer_hide(pull->layer, place.path, place.role == MF_OCI_OPAQUE, entry, err);
        if (entry->has_acl && !pull->acl && !(pull->acl = strdup(entry->name)))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return mf_layer_add(pull->layer, place.path, place.target, entry, err);
}

static void *unpack_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mf_untar_layer(pull->tar, on_entry, pull, &err);
        if (r == 0 && pull->layer)
                r = mf_layer_finish(pull->layer, &err);
        end_stage(pull, r, &err);
        mf_ring_abandon(pull->tar);
        return NULL;
}

/* --- all together ------------------------------------------------------------------------------------------------- */

static void report(struct pull *pull, uint64_t begin_us)
{
        const struct mayfly_progress progress = {
                .size = sizeof(progress),
                .phase = MAYFLY_PROGRESS_FETCH,
                .reference = pull->request->text,
                .bytes_done = atomic_load(&pull->bytes_done),
                .bytes_total = pull->request->blob->size,
                .bytes_unpacked = atomic_load(&pull->bytes_unpacked),
                .entries = atomic_load(&pull->entries),
                .elapsed_ms = (mf_now_us() - begin_us) / 1000,
        };

        if (pull->options->progress && pull->options->progress(&progress, pull->options->progress_userdata) != 0)
                atomic_store(&pull->cancelled, 1);
}

/* Reports progress until all stages have ended. */
static void coordinate(struct pull *pull)
{
        uint64_t begin = mf_now_us();

        pthread_mutex_lock(&pull->lock);
        while (pull->running > 0) {
                const struct timespec until = mf_in_ms(REPORT_MS);
                if (pthread_cond_timedwait(&pull->stage_ended, &pull->lock, &until) != ETIMEDOUT)
                        continue;
                pthread_mutex_unlock(&pull->lock);
                report(pull, begin);
                pthread_mutex_lock(&pull->lock);
        }
        pthread_mutex_unlock(&pull->lock);
        report(pull, begin);
}

/* Runs all stages, each in a thread. */
static void run_stages(struct pull *pull)
{
        void *(*const stages[])(void *) = { unpack_stage, decompress_stage, read_stage };
        const size_t n = MF_ELEMENTSOF(stages);
        pthread_t threads[MF_ELEMENTSOF(stages)];
        size_t started = 0;
        sigset_t all, old;
        int r = 0;

        pull->running = (int) n;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old); /* signals belong to the threads of the program */
        for (; started < n && r == 0; started += r == 0)
                r = -pthread_create(&threads[started], NULL, stages[started], pull);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0) { /* the source starts last, so the other stages would wait forever */
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                mf_error_errno(&err, r, MAYFLY_STAGE_STORE, "no thread can be started to read the layer");
                mf_ring_finish(pull->blob, 1);
                mf_ring_finish(pull->tar, 1);
                for (size_t i = started; i < n; i++)
                        end_stage(pull, r, &err);
        }
        coordinate(pull);
        for (size_t i = 0; i < started; i++)
                pthread_join(threads[i], NULL);
}

/* Returns the result of all stages, and compares the diff_id. */
static int conclude(struct pull *pull, struct mayfly_error *err)
{
        char id[MF_ID_LENGTH + 1], expected[MF_ID_LENGTH + 1], actual[MF_ID_LENGTH + 1];

        if (pull->result == -ECANCELED)
                return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "fetching %s was cancelled", pull->request->shown);
        if (pull->result == -EBADMSG && pull->error.stage == MAYFLY_STAGE_ARCHIVE && pull->blob_digest)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "%s: %.3000s; its digest could not be checked (expected %s)%s%s", pull->request->shown,
                                pull->error.message, pull->request->blob->digest,
                                pull->giver[0] ? "; it came from " : "", pull->giver);
        if (pull->result < 0)
                return mf_error(err, pull->result, pull->error.stage, "%s: %.3000s", pull->request->shown,
                                pull->error.message);
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
        pthread_condattr_t attributes;
        char id[MF_ID_LENGTH + 1];

        pthread_mutex_init(&pull->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pull->stage_ended, &attributes);
        pthread_condattr_destroy(&attributes);
        pull->blob = mf_ring_new(RING_SIZE);
        pull->tar = mf_ring_new(RING_SIZE);
        pull->diff_digest = mf_digest_new_like(pull->request->id);
        int is_tar = mf_image_id_of_digest(blob->digest, id) == 0 && strcmp(id, pull->request->id) == 0;
        if (!is_tar)
                pull->blob_digest = mf_digest_new_like(blob->digest);
        if (!pull->blob || !pull->tar || !pull->diff_digest || (!is_tar && !pull->blob_digest))
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

/* Says once what is left out. Returns 0, or negative errno when the caller does not want that. */
static int report_warning(const struct pull *pull, struct mayfly_error *err)
{
        char text[1024], shown[1024];

        if (!pull->acl || !pull->options->progress)
                return 0;
        snprintf(text, sizeof(text), MF_WARNING_ACL, pull->acl);
        (void) mf_escape(shown, sizeof(shown), text);
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_WARNING,
                                                  .reference = pull->request->text,
                                                  .warning = shown };
        if (pull->options->progress(&progress, pull->options->progress_userdata) == 0)
                return 0;
        return mf_error(err, -ECANCELED, MAYFLY_STAGE_STORE, "fetching %s was cancelled after the warning: %s",
                        pull->request->shown, shown);
}

int mf_pull_layer(const struct mf_layer_pull *request, int dirfd, const struct mayfly_image_options *options,
                  struct mayfly_error *err)
{
        struct pull pull = { .request = request, .options = options };

        int r = prepare(&pull, dirfd, err);
        if (r == 0) {
                run_stages(&pull);
                r = conclude(&pull, err);
        }
        if (r == 0)
                r = report_warning(&pull, err);
        free(pull.acl);
        mf_layer_free(pull.layer);
        mf_digest_free(pull.diff_digest);
        mf_digest_free(pull.blob_digest);
        mf_ring_free(pull.tar);
        mf_ring_free(pull.blob);
        pthread_cond_destroy(&pull.stage_ended);
        pthread_mutex_destroy(&pull.lock);
        return r;
}

int mf_check_layer(const struct mf_layer_pull *request, const struct mayfly_image_options *options,
                   struct mayfly_error *err)
{
        return mf_pull_layer(request, -1, options, err);
}
