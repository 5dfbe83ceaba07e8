/* SPDX-License-Identifier: MIT */
#ifndef MF_LAYER_H
#define MF_LAYER_H

/* Writes an ACI's entries below one folder, and never outside it, whatever the entries say; and the record of what they
 * then were, see record.h. */

#include "archive/read.h"

struct mf_layer;

/* `dirfd` is borrowed, `id` is what the image is to be. NULL with errno: out of memory, or no file can be made there.
 */
struct mf_layer *mf_layer_new(int dirfd, const char *id);
int mf_layer_add(struct mf_layer *layer, const struct mf_entry *entry, struct mayfly_error *err);
/* After the last entry: folders' modes and times, whether manifest and rootfs were there, the file "implicit"
 * (implied-dirs.h), and the record's end. */
int mf_layer_finish(struct mf_layer *layer, struct mayfly_error *err);
struct mf_layer *mf_layer_free(struct mf_layer *layer);

#endif
