/* SPDX-License-Identifier: MIT */
#ifndef MF_IMAGE_SCRATCH_H
#define MF_IMAGE_SCRATCH_H

/* A directory on the store's file system that containers write to. By the rules of the store (store/directory.h) it is in use while
 * somebody has the descriptor `lock`, or a copy of that; without a user whoever collects garbage removes it. */

#include <mayfly/error.h>

struct mf_scratch {
        int store;     /* directory of the store */
        char name[40]; /* of this one, relative to that */
        int lock;      /* itself, with an exclusive flock */
};

#define MF_SCRATCH_NONE ((struct mf_scratch){ .store = -1, .lock = -1 })

/* Makes one in the store of that path (NULL: the default one). Returns 0 or negative errno. */
int mf_scratch_make(const char *store, struct mf_scratch *ret, struct mayfly_error *err);
void mf_scratch_clear(struct mf_scratch *scratch);

#endif
