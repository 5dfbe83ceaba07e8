/* SPDX-License-Identifier: MIT */
#ifndef MF_LAYER_CACHE_H
#define MF_LAYER_CACHE_H

/* Layers that are made from stored images, and kept, because an image itself is not what is to be mounted:
 *
 *     STORE/layers/sha512-<hex>/{layer,rootfs,record}   published by one rename, never changed after; "implicit" as in
 *                                                       layer.h; the directory's time is when it was last used
 *
 * `layer` says what it was made from and how, in lines "image sha512-...", and others that its maker knows; its SHA-512
 * is the layer's ID. So who wants one knows its name beforehand, and everybody the same. Files in it are hard links to
 * those in images/: not a byte of them is copied. */

#include <mayfly/error.h>
#include <stddef.h>

#include "model/reference.h"
#include "store/record.h"

struct mf_cached_layer {
        char id[MF_ID_LENGTH + 1];
        char *text; /* what is in the file `layer` */
        size_t size;
        /* Makes rootfs, and `implicit` if need be, in the empty directory `dirfd`, and records both. */
        int (*make)(void *userdata, int dirfd, struct mf_record *record, struct mayfly_error *err);
        void *userdata;
        int only_stored; /* it is not made; when it is missing, -ENOENT is returned without an error */
};

/* Its ID, from its text. 0 or -EIO. */
int mf_layer_cache_name(struct mf_cached_layer *cached);

/* Opens the layer, made if need be, with a shared lock on its directory. `path` is the store's. */
int mf_layer_cache_open(int *ret, int store, const char *path, const struct mf_cached_layer *cached,
                        struct mayfly_error *err);

/* Drops the layers that were made from an image which turned out to be damaged: they have the same files. */
void mf_layer_cache_drop(int store, const char *image_id);

/* Drops the layer whose directory `fd` is, in use or not. 0 or -errno. */
int mf_layer_cache_remove(int store, const char *id, int fd);

/* Calls `each` for every image that the layer in the open directory was made from, until one returns non-zero, and
 * returns that. -EBADMSG when it does not say. */
int mf_layer_cache_images(int dir_fd, int (*each)(void *userdata, const char *id), void *userdata);

#endif
