/* SPDX-License-Identifier: MIT */
#ifndef MF_KEPT_LAYER_H
#define MF_KEPT_LAYER_H

/* A copy of a layer with other owners, for a container whose user keeps the ID (util/keep-id.h): an ordinary user can mount nothing with
 * other IDs, and overlayfs copies whole files for that user where it shows another owner. The copy is made once, and kept (layer-cache.h).
 * Where the file system can, both share the content. */

#include "store/layer-cache.h"
#include "util/keep-id.h"

struct mf_kept_layer {
        const char *id;       /* of the layer, which may be an image; all borrowed */
        const char *image_id; /* that it is, or was made from */
        int fd;               /* of its directory */
        struct mf_keep_ids ids;
};

/* Fills in *ret, which then refers to `of`. ret->text is for the caller to free. */
int mf_kept_layer(struct mf_cached_layer *ret, struct mf_kept_layer *of, struct mayfly_error *err);

#endif
