/* SPDX-License-Identifier: MIT */
#ifndef MF_PIPELINE_H
#define MF_PIPELINE_H

/* What the pipelines that bring images into the store have in common: each stage is a thread, and between the stages there are
 * rings of fixed size, so that memory does not grow with the image. pull.c makes a pipeline for an ACI, pull-layer.c one for a layer
 * of an OCI image. */

#include <mayfly/image.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct mf_ring;

struct mf_pipeline {
        const struct mayfly_image_options *options;
        const char *reference; /* its text, for progress; may be NULL */
        const char *what;      /* "the image", for messages */
        struct mf_ring *blob;  /* read | decompress */
        struct mf_ring *tar;   /* decompress | unpack */
        char *acl;             /* the name of the first entry with ACLs, allocated */
        atomic_int cancelled, failing;
        atomic_uint_least64_t bytes_done, bytes_total, bytes_unpacked, entries;

        pthread_mutex_t lock;
        pthread_cond_t changed; /* a stage has ended, or what else the user of the pipeline notes under the lock */
        int running;            /* number of stages */
        int result;             /* of the stage that failed first, not counting -EPIPE */
        struct mayfly_error error;
};

/* Makes the rings, of `ring_size` bytes each. The other fields are set before. Returns 0 or negative errno; the pipeline is for
 * mf_pipeline_clear() in both cases. */
int mf_pipeline_init(struct mf_pipeline *pipeline, size_t ring_size, struct mayfly_error *err);
void mf_pipeline_clear(struct mf_pipeline *pipeline);

/* Ends a stage; called by its thread. A stage that only failed because its neighbour did has -EPIPE, which does not count as a
 * cause. */
void mf_pipeline_end_stage(struct mf_pipeline *pipeline, int r, const struct mayfly_error *err);

/* Whether the stages should give up. */
int mf_pipeline_is_cancelled(struct mf_pipeline *pipeline);

/* A stage: decompresses the blob to `bytes` by `decompress`, and ends both rings. */
typedef int (*mf_decompress_fn)(struct mf_ring *blob, int (*bytes)(void *userdata, const void *data, size_t size),
                                void *userdata, struct mayfly_error *err);
void mf_pipeline_decompress(struct mf_pipeline *pipeline, mf_decompress_fn decompress,
                            int (*bytes)(void *userdata, const void *data, size_t size), void *userdata);

/* Runs all stages, each in a thread that gets `userdata`, and reports progress until they have ended. The stage that reads the
 * source is the last: without it the other stages would wait for ever. If a thread cannot be started, the rings end, `abandon` (may
 * be NULL) ends what else a stage may wait for, and no stage that is missing is waited for. */
void mf_pipeline_run(struct mf_pipeline *pipeline, void *(*const *stages)(void *userdata), size_t n,
                     void (*abandon)(void *userdata), void *userdata);

/* Says once what is left out. `shown` names the image or layer. Returns 0, or negative errno when the caller does not want that. */
int mf_pipeline_warn(const struct mf_pipeline *pipeline, const char *shown, struct mayfly_error *err);

#endif
