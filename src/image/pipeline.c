/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/unpack.h"
#include "util/error.h"
#include "util/escape.h"
#include "util/ring.h"
#include "util/thread.h"
#include "util/time.h"

#define REPORT_MS 100U
#define STAGES_MAX 4

int mf_pipeline_init(struct mf_pipeline *pipeline, size_t ring_size, struct mayfly_error *err)
{
        pthread_condattr_t attributes;

        pthread_mutex_init(&pipeline->lock, NULL);
        pthread_condattr_init(&attributes);
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        pthread_cond_init(&pipeline->changed, &attributes);
        pthread_condattr_destroy(&attributes);
        pipeline->blob = mf_ring_new(ring_size);
        pipeline->tar = mf_ring_new(ring_size);
        return pipeline->blob && pipeline->tar ? 0 : mf_error_oom(err, MAYFLY_STAGE_STORE);
}

void mf_pipeline_clear(struct mf_pipeline *pipeline)
{
        free(pipeline->acl);
        mf_ring_free(pipeline->tar);
        mf_ring_free(pipeline->blob);
        pthread_cond_destroy(&pipeline->changed);
        pthread_mutex_destroy(&pipeline->lock);
}

void mf_pipeline_end_stage(struct mf_pipeline *pipeline, int r, const struct mayfly_error *err)
{
        pthread_mutex_lock(&pipeline->lock);
        if (r < 0 && r != -EPIPE && pipeline->result == 0) {
                pipeline->result = r;
                pipeline->error = *err;
                atomic_store(&pipeline->failing, 1);
        }
        pipeline->running--;
        pthread_cond_broadcast(&pipeline->changed);
        pthread_mutex_unlock(&pipeline->lock);
}

int mf_pipeline_is_cancelled(struct mf_pipeline *pipeline)
{
        return atomic_load(&pipeline->cancelled) || atomic_load(&pipeline->failing);
}

void mf_pipeline_decompress(struct mf_pipeline *pipeline, mf_decompress_fn decompress,
                            int (*bytes)(void *userdata, const void *data, size_t size), void *userdata)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = decompress(pipeline->blob, bytes, userdata, &err);
        if (r == -EFBIG)
                mf_error(&err, r, MAYFLY_STAGE_ARCHIVE,
                         "the decompressed image is larger than max_unpacked = %llu bytes; raise max_unpacked if the "
                         "image is meant to be so large",
                         (unsigned long long) pipeline->options->max_unpacked);
        else if (r < 0 && r != -EPIPE)
                mf_error_errno(&err, r, MAYFLY_STAGE_ARCHIVE, "%s cannot be decompressed", pipeline->what);
        mf_pipeline_end_stage(pipeline, r, &err);
        mf_ring_abandon(pipeline->blob);
        mf_ring_finish(pipeline->tar, r < 0);
}

static void report(struct mf_pipeline *pipeline, uint64_t begin_us)
{
        const struct mayfly_progress progress = {
                .size = sizeof(progress),
                .phase = MAYFLY_PROGRESS_FETCH,
                .reference = pipeline->reference,
                .bytes_done = atomic_load(&pipeline->bytes_done),
                .bytes_total = atomic_load(&pipeline->bytes_total),
                .bytes_unpacked = atomic_load(&pipeline->bytes_unpacked),
                .entries = atomic_load(&pipeline->entries),
                .elapsed_ms = (mf_now_us() - begin_us) / 1000,
        };

        if (pipeline->options->progress &&
            pipeline->options->progress(&progress, pipeline->options->progress_userdata) != 0)
                atomic_store(&pipeline->cancelled, 1);
}

/* Reports progress until all stages have ended. */
static void coordinate(struct mf_pipeline *pipeline)
{
        uint64_t begin = mf_now_us();

        pthread_mutex_lock(&pipeline->lock);
        while (pipeline->running > 0) {
                const struct timespec until = mf_in_ms(REPORT_MS);
                if (pthread_cond_timedwait(&pipeline->changed, &pipeline->lock, &until) != ETIMEDOUT)
                        continue;
                pthread_mutex_unlock(&pipeline->lock);
                report(pipeline, begin);
                pthread_mutex_lock(&pipeline->lock);
        }
        pthread_mutex_unlock(&pipeline->lock);
        report(pipeline, begin);
}

void mf_pipeline_run(struct mf_pipeline *pipeline, void *(*const *stages)(void *userdata), size_t n,
                     void (*abandon)(void *userdata), void *userdata)
{
        pthread_t threads[STAGES_MAX];
        size_t started = 0;
        int r = n > STAGES_MAX ? -EINVAL : 0;

        pipeline->running = (int) n;
        for (; started < n && r == 0; started += r == 0)
                r = mf_thread_start(&threads[started], stages[started], userdata);
        if (r < 0) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                mf_error_errno(&err, r, MAYFLY_STAGE_STORE, "no thread can be started to read %s", pipeline->what);
                mf_ring_finish(pipeline->blob, 1);
                mf_ring_finish(pipeline->tar, 1);
                for (size_t i = started; i < n; i++)
                        mf_pipeline_end_stage(pipeline, r, &err);
                if (abandon)
                        abandon(userdata);
        }
        coordinate(pipeline);
        for (size_t i = 0; i < started; i++)
                pthread_join(threads[i], NULL);
}

int mf_pipeline_warn(const struct mf_pipeline *pipeline, const char *shown, struct mayfly_error *err)
{
        char text[1024], warning[1024];

        if (!pipeline->acl || !pipeline->options->progress)
                return 0;
        snprintf(text, sizeof(text), MF_WARNING_ACL, pipeline->acl);
        (void) mf_escape(warning, sizeof(warning), text);
        const struct mayfly_progress progress = { .size = sizeof(progress),
                                                  .phase = MAYFLY_PROGRESS_WARNING,
                                                  .reference = pipeline->reference,
                                                  .warning = warning };
        if (pipeline->options->progress(&progress, pipeline->options->progress_userdata) == 0)
                return 0;
        return mf_error(err, -ECANCELED, MAYFLY_STAGE_STORE, "fetching %s was cancelled after the warning: %s", shown,
                        warning);
}
