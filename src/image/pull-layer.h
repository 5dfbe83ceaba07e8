/* SPDX-License-Identifier: MIT */
#ifndef MF_PULL_LAYER_H
#define MF_PULL_LAYER_H

/* The pipeline that brings a layer of an OCI image into the store: read the blob and compute its digest | decompress and compute the
 * diff_id | unpack. Each stage is a thread, and memory does not grow with the layer. */

#include <stdatomic.h>
#include <stdint.h>

#include <mayfly/image.h>

#include "oci/document.h"
#include "oci/source.h"

/* What all layers of an image have so far: the limits are those of the image. Start from zeros. */
struct mf_layer_totals {
        atomic_uint_least64_t bytes_unpacked, entries;
};

struct mf_layer_pull {
        struct mf_oci_source *source;
        const struct mf_oci_descriptor *blob;
        const char *id;    /* the name in the store, from the diff_id */
        const char *shown; /* "layer 3 of 7 of the image redis", for messages */
        const char *text;  /* of the reference, for progress */
        struct mf_layer_totals *totals;
        const int *copy; /* a descriptor that gets the tar, too; NULL: none */
};

/* Fetches a layer into the empty directory `dirfd`; on failure the caller removes it. The calling thread reports progress. `options` has
 * final values. Returns 0 or negative errno. */
int mf_pull_layer(const struct mf_layer_pull *request, int dirfd, const struct mayfly_image_options *options,
                  struct mayfly_error *err);

/* Does the same without a directory: reads the layer to its end, and checks all that can be checked. */
int mf_check_layer(const struct mf_layer_pull *request, const struct mayfly_image_options *options,
                   struct mayfly_error *err);

#endif
