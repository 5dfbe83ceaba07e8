/* SPDX-License-Identifier: MIT */
#ifndef MF_LAYER_H
#define MF_LAYER_H

/* Writes an archive's entries below one directory, and never outside it, whatever the entries say; and the record of
 * what they then were, see record.h. */

#include "archive/read.h"

struct mf_layer;

/* `dirfd` is borrowed, `id` is what the image is to be. NULL with errno: out of memory, or no file can be made there.
 */
struct mf_layer *mf_layer_new(int dirfd, const char *id);
/* `path` is where the entry goes, `target` what a hard link links to (else it is not looked at): both normalized names,
 * not empty. */
int mf_layer_add(struct mf_layer *layer, const char *path, const char *target, const struct mf_entry *entry,
                 struct mayfly_error *err);
/* After the last entry: directories' modes and times, the file "implicit" (implied-dirs.h), and the record's end. */
int mf_layer_finish(struct mf_layer *layer, struct mayfly_error *err);
struct mf_layer *mf_layer_free(struct mf_layer *layer);

#endif
