/* SPDX-License-Identifier: MIT */
#ifndef MF_GET_H
#define MF_GET_H

/* Opening one image of the store, and fetching it first when it is not there:
 *
 *     STORE/images/sha512-<hex>/{manifest,rootfs,record}   published by one rename, then never changed; the
 *                                                          time of the directory is when it was last used
 *     STORE/images/sha512-<hex>/signature                  the key of a good signature (verify-signature.h)
 *
 * store/directory.h has the rest of the store and the rules of its locks, store/record.h the record. */

#include "image/open.h"
#include "model/reference.h"
#include "util/keep-id.h"

struct mf_image_request;

/* What fetches an image of another format than ACI. */
struct mf_fetcher {
        /* Fetches the image or layer of request->reference into the empty directory `dirfd`. Returns 0 or negative errno. */
        int (*fetch)(void *userdata, const struct mf_image_request *request, int dirfd, struct mayfly_error *err);
        void *userdata;
};

/* An image to open. */
struct mf_image_request {
        int store;
        const char *path; /* of the store */
        const struct mf_reference *reference;
        const char *text;                           /* of the reference */
        uint64_t size;                              /* of the archive as served, in bytes; 0: unknown */
        const struct mayfly_image_options *options; /* with final values */
        const struct mf_fetcher *fetcher;           /* NULL: the reference is one of an ACI */
        const struct mf_fetcher *layer_fetcher;     /* for what the image depends on, in the same way */
        int is_layer;                               /* the reference is one of a layer of an OCI image */
        const struct mf_keep_ids *kept; /* the owners that a user who keeps the ID sees; NULL: the image's */
        int only_stored; /* nothing is fetched or made; -ENOENT without an error: mayfly-helper has to do that */
};

/* Opens one image, without its dependencies, and fetches it when it is not stored. Returns 0 or negative
 * errno. With `only_stored` nothing is fetched, and -ENOENT without an error means that the image is not stored. */
int mf_image_get(struct mayfly_image **ret, const struct mf_image_request *request, int only_stored,
                 struct mayfly_error *err);

/* Whether what the request is for may be fetched from where its reference says. Returns 0, or -ENOENT with an error. */
int mf_check_fetch(const struct mf_image_request *request, struct mayfly_error *err);

/* Whether an image needs its signature checked while it is fetched. */
int mf_wants_signature(const struct mayfly_image_options *options);

#endif
