/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_H
#define MF_STORE_H

/* Opening an image of the content-addressed store, and fetching it first when it is not there:
 *
 *     STORE/images/sha512-<hex>/{manifest,rootfs,record}   published by one rename, never changed after; the folder's
 *                                                          time is when it was last used
 *     STORE/images/sha512-<hex>/signature                  when one was found good: by whom (trust/verify-signature.h)
 *
 * dependencies.h opens those it depends on, render.h makes layers of them all.
 * store-folder.h has the rest of the folder and the rules of its locks, record.h the record. */

#include <mayfly/image.h>

#include "aci/manifest.h"
#include "model/reference.h"

struct mayfly_image {
        char *id;
        char *path;            /* STORE/images/ID */
        char *rootfs;          /* STORE/images/ID/rootfs */
        int dir_fd;            /* of path, with a shared lock for as long as the image is in use */
        char damage[256];      /* what kept a stored image from being opened, or empty */
        int fetched, attested; /* by this call: it, its signature */
        struct mf_image_config *config;

        /* What comes with it, unless it is itself what another depends on: */
        struct mayfly_image **dependencies; /* all, each once */
        size_t n_dependencies;
        char **layers; /* folders to lay over each other, lowest first, NULL-terminated */
        int *locks;    /* folders of those layers that are no images', locked as dir_fd is */
        size_t n_locks;
};

/* One image to be opened. */
struct mf_image_request {
        int store;
        const char *path; /* of the store */
        const struct mf_reference *reference;
        const char *text;                           /* of the reference */
        uint64_t size;                              /* of the archive as served, in bytes; 0 when that is not known */
        const struct mayfly_image_options *options; /* with final values */
};

/* Opens one image, without its dependencies, fetching it when it is not there; with `only_stored`, -ENOENT is returned
 * instead, without an error. */
int mf_image_get(struct mayfly_image **ret, const struct mf_image_request *request, int only_stored,
                 struct mayfly_error *err);

/* The run configuration of the stored image whose folder, at `path`, is open. -EBADMSG when it is damaged, with what is
 * the matter in the message, and others. */
int mf_image_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err);

#endif
