/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_H
#define MF_STORE_H

/* Opening an image of the content-addressed store, and fetching it first when it is not there:
 *
 *     STORE/images/sha512-<hex>/{manifest,rootfs,record}   published by one rename, never changed after; the folder's
 *                                                          time is when it was last used
 *
 * store-folder.h has the rest of the folder and the rules of its locks, record.h the record. */

#include <mayfly/image.h>

#include "manifest.h"

struct mayfly_image {
        char *id;
        char *path;       /* STORE/images/ID */
        char *rootfs;     /* STORE/images/ID/rootfs */
        int folder_fd;    /* of path, with a shared lock for as long as the image is in use */
        char damage[256]; /* what kept a stored image from being opened, or empty */
        int fetched;
        struct mf_run_config *config;
};

/* The run configuration of the stored image whose folder, at `path`, is open. -EBADMSG when it is damaged, with what is
 * the matter in the message, and others. */
int mf_image_config(int folder_fd, const char *path, struct mf_run_config **ret, struct mayfly_error *err);

/* The options as given (NULL is fine), with every default filled in. */
int mf_image_options_take(const struct mayfly_image_options *given, struct mayfly_image_options *ret,
                          struct mayfly_error *err);

#endif
