/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_BUILD_H
#define MF_OCI_BUILD_H

/* Writes an OCI layout, with one image of one layer. */

#include <mayfly/build.h>

#include "model/image-config.h"

/* The parts of the image. */
struct mf_oci_parts {
        int layer;           /* the blob of the layer, a file at its beginning */
        const char *diff_id; /* "sha256-..." of the layer's tar */
        int is_gzip;         /* the blob is compressed */
        const struct mf_image_config *config;
        const char *name; /* in the index; NULL: none */
        int64_t created;  /* INT64_MAX: not said */
};

/* Writes the layout to `fd`: into an empty directory, or as an archive into a file. Returns 0 or negative errno. */
int mf_oci_layout_write(int fd, const struct mf_oci_parts *parts, struct mayfly_error *err);

#endif
