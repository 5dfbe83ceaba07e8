/* SPDX-License-Identifier: MIT */
#ifndef MF_WHITELIST_H
#define MF_WHITELIST_H

/* An image's pathWhitelist: the only paths to be kept. A listed directory is kept itself, without what is in it.
 * Directories on the way to a listed path stay, too, for without them it could not be there. */

#include "util/pathlist.h"

struct mf_whitelist {
        struct mf_paths paths; /* cleaned, relative to the root, which is ""; sorted, each once */
};

/* From a manifest's list. The caller owns *ret. 0 or -ENOMEM. */
int mf_whitelist_new(struct mf_whitelist **ret, char *const *paths);
struct mf_whitelist *mf_whitelist_free(struct mf_whitelist *whitelist); /* NULL is fine; returns NULL */

/* `path` is relative to the root. */
int mf_whitelist_passes(const struct mf_whitelist *whitelist, const char *path, int is_directory);

/* As strcmp(): 0 when both let the same pass. */
int mf_whitelist_compare(const struct mf_whitelist *a, const struct mf_whitelist *b);

#endif
