/* SPDX-License-Identifier: MIT */
#ifndef MF_DIRS_LAYER_H
#define MF_DIRS_LAYER_H

/* A layer of nothing but directories, to lie on top of others. overlayfs shows a directory with the mode, owner and
 * time that it has in the topmost layer; but where that image only implies the directory (implied-dirs.h), appc keeps
 * those of the image below that has an entry for it. */

#include <stddef.h>

#include "store/implied-dirs.h"
#include "store/layer-cache.h"

struct mf_dirs_of {
        const char *id;       /* of image or layer */
        const char *image_id; /* that it is, or was made from */
        int fd;               /* of its directory */
        struct mf_paths implicit;
        struct mf_paths opaque; /* directories that hide what is in lower layers: whiteouts.h */
};

struct mf_dirs {
        struct mf_dirs_of *layer; /* lowest first */
        size_t n;
        int refuse_links; /* it is an error when a lower layer has a symbolic link where another implies a directory */
};

/* 1 and *ret, which then refers to `directories`, when such a layer is needed, else 0. ret->text is for the caller to
 * free.
 */
int mf_dirs_layer(struct mf_cached_layer *ret, struct mf_dirs *directories, struct mayfly_error *err);

#endif
