/* SPDX-License-Identifier: MIT */
#ifndef MF_LIST_H
#define MF_LIST_H

/* What verify.c and gc.c have in common: going through the store. */

#include <mayfly/store.h>
#include <stddef.h>
#include <time.h>

#include "model/reference.h"

struct mf_store_images {
        char (*id)[MF_ID_LENGTH + 1]; /* sorted */
        size_t n, allocated;
};

/* Names in the store's directory `directory` ("images" or "locks") that are image IDs. 0 or -errno. */
int mf_store_list(int store, const char *directory, struct mf_store_images *ret);
void mf_store_images_clear(struct mf_store_images *images);
/* Calls `one` for each, also after an error other than -ECANCELED. Returns the first error, but -ECANCELED before all. */
int mf_store_images_each(const struct mf_store_images *images, int (*one)(void *userdata, const char *id),
                         void *userdata);

/* What can be seen of a stored image without locking it. */
struct mf_stored {
        uint64_t bytes;       /* that it takes on disk */
        struct timespec used; /* when it was last opened or closed; may be in the future if the clock was set back */
        int whole;            /* its record is there, and ends as it must; without, nobody can use the image */
};

/* Looks at images/ID and opens its directory as *ret_fd. Returns 0, -ENOENT when it is gone, or another -errno. */
int mf_store_look_at(int store, const char *id, struct mf_stored *ret, int *ret_fd);

/* Whether time `a` is later than `b`. */
int mf_store_is_later(struct timespec a, struct timespec b);

/* What a stored image says of itself. Allocated. */
struct mf_description {
        char *name;    /* NULL when its manifest cannot be read */
        char **labels; /* NULL-terminated; NULL likewise */
};

/* Describes the image whose directory, at `path`, is open: the store itself knows no image format. Returns 0, also when
 * the image does not say (then *ret stays as it is), or -ENOMEM. */
typedef int (*mf_describe_fn)(int dir_fd, const char *path, struct mf_description *ret);
void mf_description_clear(struct mf_description *description);

#endif
