/* SPDX-License-Identifier: MIT */
#ifndef MF_FILTER_LAYER_H
#define MF_FILTER_LAYER_H

/* What whitelists let pass of an image, as a layer of its own (layer-cache.h). It is no whiteouts over the image,
 * because what an image may not show may not hide either what the images below have under that name. */

#include <stddef.h>

#include "store/layer-cache.h"
#include "store/whitelist.h"

struct mf_filter {
        const char *image_id;                        /* all borrowed */
        int image_fd;                                /* of its directory */
        const struct mf_whitelist *const *whitelist; /* each must let pass; sorted, and each once, so that the same
                                                        ones are the same layer */
        size_t n;
};

/* Fills in *ret, which then refers to the filter. ret->text is for the caller to free. */
int mf_filter_layer(struct mf_cached_layer *ret, struct mf_filter *filter, struct mayfly_error *err);

#endif
