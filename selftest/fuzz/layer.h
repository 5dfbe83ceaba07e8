/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_LAYER_H
#define FUZZ_LAYER_H

/* What the fuzz targets of archives and of layers have in common: the tar in memory, and the directory that a layer is unpacked to.
 * Failures end the process. */

#include <stddef.h>
#include <stdint.h>

#include "archive/read.h"

struct tar {
        char *data;
        size_t size;
};

/* mf_decompress() or mf_decompress_layer() */
typedef int decompressor(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                         struct mayfly_error *err);

/* Decompresses the input. Returns what `decompress` returns, which is -EFBIG if the tar is too large. The caller frees `ret->data`,
 * also after a failure. */
int read_tar(struct tar *ret, decompressor *decompress, const uint8_t *data, size_t size, struct mayfly_error *err);

/* A ring with these bytes and their end. It is larger than they are, so that one thread is enough. */
struct mf_ring *ring_of(const void *data, size_t size);

/* Makes the directory of a layer, in a directory of its own, and opens it. */
int open_layer(void);
/* The path of the directory that the layer's is in. */
const char *layers_parent(void);
/* Closes and removes the layer. Nothing may have been written beside it. */
void remove_layer(int fd);

#endif
