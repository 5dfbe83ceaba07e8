/* SPDX-License-Identifier: MIT */
#ifndef MF_LIST_H
#define MF_LIST_H

/* What verify.c and gc.c have in common: going through the store. */

#include <mayfly/store.h>
#include <stddef.h>

#include "model/reference.h"

struct mf_store_images {
        char (*id)[MF_ID_LENGTH + 1]; /* sorted */
        size_t n;
};

/* Names in the store's folder `folder` ("images" or "locks") that are image IDs. 0 or -errno. */
int mf_store_list(int store, const char *folder, struct mf_store_images *ret);
void mf_store_images_clear(struct mf_store_images *images);

/* What a stored image says of itself. Allocated. */
struct mf_description {
        char *name;    /* NULL when its manifest cannot be read */
        char **labels; /* NULL-terminated; NULL likewise */
};

/* Describes the image whose directory, at `path`, is open: the store itself knows no image format. Returns 0, also when
 * the image does not say (then *ret stays as it is), or -ENOMEM. */
typedef int (*mf_describe_fn)(int dir_fd, const char *path, struct mf_description *ret);
void mf_description_clear(struct mf_description *description);

/* Copies a result to the caller, whose struct may be shorter or longer than ours. */
void mf_store_give_result(void *ret, const void *result, size_t size);

#endif
