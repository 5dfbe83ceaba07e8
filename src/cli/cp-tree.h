/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_CP_TREE_H
#define MF_CLI_CP_TREE_H

/* Makes the files of a tar in a new directory, and nothing outside of it, whatever its entries say: no name leads up, no symbolic link is
 * followed. */

#include <stddef.h>

#include "archive/entry.h"

struct cp_directory;

struct cp_tree {
        int fd; /* of the directory */
        int keep_owners;
        struct cp_directory *directories; /* whose modes and times are set at the end */
        size_t n, allocated;
};

/* Each returns 0 or negative errno with an error. */
int cp_tree_begin(struct cp_tree *tree, const char *directory, int keep_owners, struct mayfly_error *err);
int cp_tree_add(struct cp_tree *tree, const struct mf_entry *entry, struct mayfly_error *err);
/* Ends the tree, which `r` has failed if it is negative; that is returned then. */
int cp_tree_end(struct cp_tree *tree, int r, struct mayfly_error *err);

#endif
