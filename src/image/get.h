/* SPDX-License-Identifier: MIT */
#ifndef MF_GET_H
#define MF_GET_H

/* Opening one image of the store, and fetching it first when it is not there:
 *
 *     STORE/images/sha512-<hex>/{manifest,rootfs,record}   published by one rename, never changed after; the
 *                                                          directory's time is when it was last used
 *     STORE/images/sha512-<hex>/signature                  when one was found good: by whom (verify-signature.h)
 *
 * store/directory.h has the rest of the store and the rules of its locks, store/record.h the record. */

#include "image/open.h"
#include "model/reference.h"

/* One image to be opened. */
struct mf_image_request {
        int store;
        const char *path; /* of the store */
        const struct mf_reference *reference;
        const char *text;                           /* of the reference */
        uint64_t size;                              /* of the archive as served, in bytes; 0 when that is not known */
        const struct mayfly_image_options *options; /* with final values */
};

/* Opens one image, without its dependencies, and fetches it when it is not stored. With `only_stored` it returns
 * -ENOENT instead, without an error. */
int mf_image_get(struct mayfly_image **ret, const struct mf_image_request *request, int only_stored,
                 struct mayfly_error *err);

#endif
