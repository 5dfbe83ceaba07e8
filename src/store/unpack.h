/* SPDX-License-Identifier: MIT */
#ifndef MF_LAYER_H
#define MF_LAYER_H

/* Writes an archive's entries below one directory, and never outside it, whatever the entries say; and the record of
 * what they then were, see record.h. */

#include <stdatomic.h>
#include <stdint.h>

#include "archive/read.h"

#define MF_LAYER_MARK "layer" /* the file that says that a directory has one layer of several */

struct mf_layer;

/* `dirfd` is borrowed, `id` is what the image is to be. NULL with errno: out of memory, or no file can be made there.
 */
struct mf_layer *mf_layer_new(int dirfd, const char *id);
/* Counts directories without an entry in *entries, which the caller counts entries in, and refuses more than `max`. Without it, and in
 * any case, the paths of such directories and of what is hidden may have 64 MiB. */
void mf_layer_set_limit(struct mf_layer *layer, atomic_uint_least64_t *entries, uint64_t max);
/* Makes the entries those of one layer of several of an image: of two entries for one path the last counts, and the directory gets a file
 * "layer" that says so. */
void mf_layer_set_partial(struct mf_layer *layer);
/* In such a layer: hides what lower layers have at `path`, or, with `is_opaque`, what they have in the directory `path`. The entry is for
 * messages. */
int mf_layer_hide(struct mf_layer *layer, const char *path, int is_opaque, const struct mf_entry *entry,
                  struct mayfly_error *err);
/* `path` is where the entry goes, `target` what a hard link links to (else it is not looked at): both normalized names,
 * not empty. */
int mf_layer_add(struct mf_layer *layer, const char *path, const char *target, const struct mf_entry *entry,
                 struct mayfly_error *err);
/* After the last entry: directories' modes and times, the file "implicit" (implied-dirs.h), and the record's end. */
int mf_layer_finish(struct mf_layer *layer, struct mayfly_error *err);
struct mf_layer *mf_layer_free(struct mf_layer *layer);

#endif
