/* SPDX-License-Identifier: MIT */
#ifndef MF_OPEN_H
#define MF_OPEN_H

/* An image that is open. get.h opens one, dependencies.h those it depends on, render.h makes layers of them all. */

#include <mayfly/image.h>

#include "model/image-config.h"
#include "util/keep-id.h"

struct mayfly_image {
        char *id;
        char *path;            /* STORE/images/ID */
        char *rootfs;          /* STORE/images/ID/rootfs */
        int dir_fd;            /* of path, with a shared lock for as long as the image is in use */
        char damage[256];      /* what kept a stored image from being opened, or empty */
        int fetched, attested; /* by this call: the image, its signature */
        struct mf_image_config *config;

        /* What comes with it, unless another image depends on it: */
        struct mayfly_image **dependencies; /* all, each once */
        size_t n_dependencies;
        char **layers; /* directories to lay over each other, lowest first, NULL-terminated */
        int *locks;    /* directories of those layers that were made of images, locked as dir_fd is */
        size_t n_locks;
};

/* Does what mayfly_image_open() does, in this process, with options that have final values. `kept` is as in the next function. */
int mf_image_open(struct mayfly_image **ret, const char *text, const struct mayfly_image_options *options,
                  const struct mf_keep_ids *kept, struct mayfly_error *err);

/* Does what mayfly_image_open() does. The layers have the owners for a user who keeps these IDs in the container; NULL: the image's. */
int mf_image_open_kept(struct mayfly_image **ret, const char *text, const struct mayfly_image_options *given,
                       const struct mf_keep_ids *kept, struct mayfly_error *err);

#endif
