/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/pull.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aci/archive-rules.h"
#include "aci/manifest.h"
#include "archive/digest.h"
#include "archive/read.h"
#include "fetch/http.h"
#include "image/pipeline.h"
#include "model/show.h"
#include "store/unpack-errors.h"
#include "store/unpack.h"
#include "util/error.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/ring.h"
#include "util/strv.h"
#include "util/time.h"
#include "util/trace.h"

#define RING_SIZE (1U << 20)
#define ANSWER_MS 2000U

struct pull {
        const struct mf_source *source;
        const struct mayfly_image_options *options;
        struct mf_pipeline pipeline;
        struct mf_digest *digest;
        struct mf_layer *layer;           /* NULL: only examine */
        struct mf_parts parts;            /* that the layer has */
        struct mf_archive_rules *checked; /* the entries so far, when the image is only examined */
        struct mf_signature_check *check; /* NULL: no signature */
        char *manifest;                   /* of an image that is examined */
        size_t manifest_size;
        int answered; /* under the pipeline's lock: the fetch of the image has brought bytes, or ended */
};

/* Notes that the fetch of the image has brought bytes, or ended. */
static void note_answer(struct pull *pull)
{
        pthread_mutex_lock(&pull->pipeline.lock);
        pull->answered = 1;
        pthread_cond_broadcast(&pull->pipeline.changed);
        pthread_mutex_unlock(&pull->pipeline.lock);
}

/* Waits a while for the fetch of the image, in another thread: its error is more useful than that of the signature's fetch. A
 * silent server is not waited for. */
static void await_answer(struct pull *pull)
{
        const struct timespec until = mf_in_ms(ANSWER_MS);
        int r = 0;

        pthread_mutex_lock(&pull->pipeline.lock);
        while (!pull->answered && r == 0)
                r = pthread_cond_timedwait(&pull->pipeline.changed, &pull->pipeline.lock, &until);
        pthread_mutex_unlock(&pull->pipeline.lock);
}

/* Checks the size of the archive so far (`at_least`) or at its end: an archive that is too long is not read to its end. Returns 0
 * or -EPIPE. */
static int check_size(struct pull *pull, uint64_t size, int at_least)
{
        char shown[MF_SHOWN_MAX];

        if (pull->source->size == 0 || (at_least ? size <= pull->source->size : size == pull->source->size))
                return 0;
        mf_show_url(shown, pull->source->url, 0);
        pthread_mutex_lock(&pull->pipeline.lock);
        if (pull->pipeline.result == 0)
                pull->pipeline.result =
                        mf_error(&pull->pipeline.error, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                 "%s is %s%llu bytes long, but the image that depends on it gives the size %llu", shown,
                                 at_least ? "at least " : "", (unsigned long long) size,
                                 (unsigned long long) pull->source->size);
        pthread_mutex_unlock(&pull->pipeline.lock);
        return -EPIPE;
}

static int on_body(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        if (atomic_load(&pull->pipeline.bytes_done) == 0)
                note_answer(pull);
        if (check_size(pull, atomic_load(&pull->pipeline.bytes_done) + size, 1) < 0)
                return -EPIPE;
        int r = mf_ring_push(pull->pipeline.blob, data, size);
        if (r == 0 && pull->check)
                r = mf_signature_check_push(pull->check, data, size);
        if (r == 0)
                atomic_fetch_add(&pull->pipeline.bytes_done, size);
        return r;
}

static void on_total(void *userdata, uint64_t size)
{
        struct pull *pull = userdata;

        atomic_store(&pull->pipeline.bytes_total, size);
}

static int is_cancelled(void *userdata)
{
        struct pull *pull = userdata;

        return mf_pipeline_is_cancelled(&pull->pipeline);
}

static void *fetch_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE("fetch", pull->source->id);
        struct mf_http_request request = mf_http_request(pull->source->url, pull->options);

        request.body = on_body;
        request.total = on_total;
        request.cancelled = is_cancelled;
        request.userdata = pull;
        int r = mf_http_get(&request, &err);
        if (r == 0)
                r = check_size(pull, atomic_load(&pull->pipeline.bytes_done), 0);
        mf_pipeline_end_stage(&pull->pipeline, r, &err); /* before the ring ends, so that this error is the first */
        note_answer(pull);
        mf_ring_finish(pull->pipeline.blob, r < 0);
        if (pull->check)
                mf_signature_check_finish(pull->check, r < 0);
        return NULL;
}

static void *signature_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE("verify signature", pull->source->id);

        int r = mf_signature_check_run(pull->check, is_cancelled, pull, &err);
        if (r < 0 && r != -EPIPE)
                await_answer(pull);
        mf_pipeline_end_stage(&pull->pipeline, r, &err);
        mf_signature_check_leave(pull->check, r < 0);
        return NULL;
}

/* Reads a file in place of fetching: its head, which was read before, then the rest. */
static void *file_stage(void *userdata)
{
        struct pull *pull = userdata;
        const struct mf_file *file = pull->source->file;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE("fetch", pull->source->id);
        char block[65536];
        int r = on_body(pull, file->head, file->head_size);

        while (r == 0) {
                ssize_t n = read(file->fd, block, sizeof(block));
                if (n == 0)
                        break;
                if (n < 0 && errno != EINTR)
                        r = mf_error_errno(&err, -errno, MAYFLY_STAGE_ARCHIVE, "the image cannot be read");
                else if (n > 0)
                        r = on_body(pull, block, (size_t) n);
        }
        mf_pipeline_end_stage(&pull->pipeline, r, &err);
        mf_ring_finish(pull->pipeline.blob, r < 0);
        return NULL;
}

static int on_tar_bytes(void *userdata, const void *data, size_t size)
{
        struct pull *pull = userdata;

        if (atomic_fetch_add(&pull->pipeline.bytes_unpacked, size) + size > pull->options->max_unpacked)
                return -EFBIG;
        int r = mf_digest_update(pull->digest, data, size);
        return r < 0 ? r : mf_ring_push(pull->pipeline.tar, data, size);
}

static void *decompress_stage(void *userdata)
{
        struct pull *pull = userdata;
        MF_TRACE("verify", pull->source->id);

        mf_pipeline_decompress(&pull->pipeline, mf_decompress, on_tar_bytes, pull);
        return NULL;
}

/* Checks an entry as if it were unpacked, and keeps the manifest. Returns 0 or negative errno. */
static int examine_entry(struct pull *pull, const struct mf_entry *entry, struct mayfly_error *err)
{
        char path[PATH_MAX];
        const char *why;

        int r = mf_archive_rules_add(pull->checked, entry, err);
        if (r < 0)
                return r;
        mf_entry_normalize(entry->name, path, &why);
        if (why)
                return 0;
        mf_parts_note(&pull->parts, path);
        if (strcmp(path, "manifest") != 0)
                return 0;
        pull->manifest_size = (size_t) entry->size;
        return mf_entry_text(entry, &pull->manifest, err);
}

/* Writes an entry to the layer. Returns 0 or negative errno. */
static int unpack_entry(struct pull *pull, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct mf_place place;

        int r = mf_entry_place(entry, &place, err);
        if (r < 0 || !*place.path)
                return r;
        mf_parts_note(&pull->parts, place.path);
        if (entry->has_acl && !pull->pipeline.acl && !(pull->pipeline.acl = strdup(entry->name)))
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        return mf_layer_add(pull->layer, place.path, place.target, entry, err);
}

static int on_entry(void *userdata, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct pull *pull = userdata;

        if (atomic_fetch_add(&pull->pipeline.entries, 1) + 1 > pull->options->max_entries)
                return mf_too_many_entries(err, pull->options->max_entries);
        return pull->layer ? unpack_entry(pull, entry, err) : examine_entry(pull, entry, err);
}

static void *untar_stage(void *userdata)
{
        struct pull *pull = userdata;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        MF_TRACE(pull->layer ? "unpack" : "examine", pull->source->id);

        int r = mf_untar(pull->pipeline.tar, on_entry, pull, &err);
        if (r == 0)
                r = mf_parts_check(&pull->parts, &err);
        if (r == 0 && pull->layer)
                r = mf_layer_finish(pull->layer, &err);
        /* An archive without an entry for rootfs itself is not valid, but can be fetched. */
        if (r == 0 && pull->checked && pull->source->file)
                r = mf_archive_rules_finish(pull->checked, &err);
        mf_pipeline_end_stage(&pull->pipeline, r, &err);
        mf_ring_abandon(pull->pipeline.tar);
        return NULL;
}

/* Without a thread that reads the image, the signature's stage would wait for ever. */
static void abandon(void *userdata)
{
        struct pull *pull = userdata;

        if (pull->check)
                mf_signature_check_finish(pull->check, 1);
        note_answer(pull);
}

/* Runs all stages, each in a thread. */
static void run_stages(struct pull *pull)
{
        void *(*stages[4])(void *) = { untar_stage, decompress_stage };
        size_t n = 2;

        if (pull->check)
                stages[n++] = signature_stage;
        stages[n++] = pull->source->file ? file_stage : fetch_stage;
        mf_pipeline_run(&pull->pipeline, stages, n, abandon, pull);
}

/* Parses the manifest that was unpacked. Returns 0 or negative errno. */
static int check_manifest(int dirfd, struct mf_image_config **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = NULL;
        size_t size = 0;

        int r = mf_read_file_at(dirfd, "manifest", MF_MANIFEST_MAX, &text, &size);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the manifest that was just unpacked cannot be read");
        return mf_manifest_parse(ret, text, size, err);
}

/* Returns the result of all stages, and sets `id` to the ID of the archive. Compares it with the pin. */
static int conclude(struct pull *pull, char id[MF_ID_LENGTH + 1], struct mayfly_error *err)
{
        const char *pin = pull->source->id;
        char shown[MF_SHOWN_MAX];

        mf_show_url(shown, pull->source->url, 0);
        if (pull->pipeline.result == -ECANCELED)
                return mf_error(err, -ECANCELED, MAYFLY_STAGE_HTTP, "%s", pull->pipeline.error.message);
        if (pull->pipeline.result < 0 && pull->pipeline.error.stage == MAYFLY_STAGE_ARCHIVE && !pull->source->file)
                return mf_error(err, pull->pipeline.result, MAYFLY_STAGE_ARCHIVE, "%s: %.1500s%s%s%s", shown,
                                pull->pipeline.error.message, pin ? "; the pin could not be checked (expected " : "",
                                pin ? pin : "", pin ? ")" : "");
        if (pull->pipeline.result < 0 && pull->pipeline.error.stage == MAYFLY_STAGE_STORE && !pull->source->file)
                return mf_error(err, pull->pipeline.result, MAYFLY_STAGE_STORE, "%s: %.1500s", shown,
                                pull->pipeline.error.message);
        if (pull->pipeline.result < 0)
                return mf_error(err, pull->pipeline.result, pull->pipeline.error.stage, "%s",
                                pull->pipeline.error.message);
        if (mf_digest_final(pull->digest, id) < 0)
                return mf_error(err, -EIO, MAYFLY_STAGE_DIGEST,
                                "the digest of the image cannot be computed: libcrypto failed");
        if (pin && strcmp(id, pin) != 0)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                                "%s is not the pinned image: expected %s, actual %s; if the image changed on purpose, "
                                "pin the new digest",
                                shown, pin, id);
        return 0;
}

/* Makes the rings, the digest and the check of the signature. Returns 0 or negative errno. */
static int prepare(struct pull *pull, struct mayfly_error *err)
{
        int r = mf_pipeline_init(&pull->pipeline, RING_SIZE, err);

        if (r < 0)
                return r;
        pull->digest = mf_digest_new();
        if (!pull->digest)
                return mf_error_oom(err, MAYFLY_STAGE_STORE);
        if (!pull->source->signature)
                return 0;
        return mf_signature_check_new(&pull->check, pull->source->url, pull->source->signature, pull->options, err);
}

/* Decides about the signature, if it was asked for. Returns 0 or negative errno. */
static int check_signature(const struct pull *pull, const struct mf_image_config *config, struct mayfly_error *err)
{
        return pull->check && config ? mf_signature_check_classify(pull->check, config->name, pull->source->note, err)
                                     : 0;
}

/* Says once what the layer leaves out of the image. Returns 0, or negative errno when the caller does not want that. */
static int report_warning(const struct pull *pull, struct mayfly_error *err)
{
        char url[MF_SHOWN_MAX];

        mf_show_url(url, pull->source->url, 0);
        return mf_pipeline_warn(&pull->pipeline, url, err);
}

static void clean_up(struct pull *pull)
{
        mf_signature_check_free(pull->check);
        mf_digest_free(pull->digest);
        mf_pipeline_clear(&pull->pipeline);
}

int mf_pull(const struct mf_source *source, int dirfd, const struct mayfly_image_options *options,
            struct mayfly_error *err)
{
        struct pull pull = { .source = source,
                             .options = options,
                             .pipeline = { .options = options, .reference = source->text, .what = "the image" } };
        char id[MF_ID_LENGTH + 1];

        int r = prepare(&pull, err);
        if (r == 0) {
                errno = 0;
                pull.layer = mf_layer_new(dirfd, source->id);
                if (!pull.layer)
                        r = mf_error_errno(err, errno ? -errno : -ENOMEM, MAYFLY_STAGE_STORE,
                                           "the image cannot be unpacked into the store");
                else
                        mf_layer_set_limit(pull.layer, &pull.pipeline.entries, options->max_entries);
        }
        if (r == 0) {
                run_stages(&pull);
                r = conclude(&pull, id, err);
        }
        struct mf_image_config *config = NULL;
        if (r == 0)
                r = check_manifest(dirfd, &config, err);
        if (r == 0)
                r = check_signature(&pull, config, err);
        if (r == 0)
                r = report_warning(&pull, err);
        mf_image_config_free(config);
        mf_layer_free(pull.layer);
        clean_up(&pull);
        return r;
}

int mf_examine(struct mf_examined *ret, const struct mf_source *source, const struct mayfly_image_options *options,
               struct mayfly_error *err)
{
        struct pull pull = { .source = source,
                             .options = options,
                             .pipeline = { .options = options, .reference = source->text, .what = "the image" } };
        struct mf_examined examined = { 0 };

        int r = prepare(&pull, err);
        if (r == 0 && !(pull.checked = mf_archive_rules_new()))
                r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0) {
                run_stages(&pull);
                r = conclude(&pull, examined.id, err);
        }
        if (r == 0 && !pull.manifest)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "%s has no manifest; check that it is an ACI",
                             source->url);
        if (r == 0)
                r = mf_manifest_parse(&examined.config, pull.manifest, pull.manifest_size, err);
        if (r == 0) {
                r = check_signature(&pull, examined.config, err);
                if (r < 0)
                        mf_image_config_free(examined.config);
        }
        if (r == 0) {
                examined.manifest = mf_take(pull.manifest);
                examined.manifest_size = pull.manifest_size;
                examined.blob_size = atomic_load(&pull.pipeline.bytes_done);
                examined.archive_size = atomic_load(&pull.pipeline.bytes_unpacked);
                examined.entries = atomic_load(&pull.pipeline.entries);
                examined.warnings = mf_archive_rules_take_warnings(pull.checked);
                *ret = examined;
        }
        free(pull.manifest);
        mf_archive_rules_free(pull.checked);
        clean_up(&pull);
        return r;
}

void mf_examined_clear(struct mf_examined *examined)
{
        mf_image_config_free(examined->config);
        free(examined->manifest);
        mf_strv_free(examined->warnings);
        *examined = (struct mf_examined){ 0 };
}
