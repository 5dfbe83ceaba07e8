/* SPDX-License-Identifier: MIT */
#ifndef MF_CLI_CP_STREAM_H
#define MF_CLI_CP_STREAM_H

/* Trees of files as tar streams, for `mayfly cp - NAME:DIR` and `mayfly cp NAME:PATH -`. A stream is kept in a file without a name, and the
 * tree in a new directory, so that a stream is known to be good before anything is done with it. */

#include <mayfly/error.h>

/* What is done with the tree in the directory. Returns 0 or negative errno with an error. */
typedef int (*cp_tree_fn)(const char *directory, void *userdata, struct mayfly_error *err);

/* Reads the tar stream `fd`, compressed or not, to its end, and has the tree used. */
int cp_stream_unpack(int fd, int keep_owners, cp_tree_fn use, void *userdata, struct mayfly_error *err);
/* Has the tree made, and writes it to `fd`. */
int cp_stream_pack(int fd, cp_tree_fn make, void *userdata, struct mayfly_error *err);

#endif
