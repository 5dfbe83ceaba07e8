/* SPDX-License-Identifier: MIT */
#ifndef MF_RING_H
#define MF_RING_H

/* A bounded queue of bytes between two threads. The bound keeps the memory of a pipeline small. */

#include <stddef.h>

struct mf_ring;

struct mf_ring *mf_ring_new(size_t capacity); /* returns NULL when out of memory */
struct mf_ring *mf_ring_free(struct mf_ring *ring);

/* For the writer: waits for room and adds the bytes. Returns 0, or -EPIPE when the reader is gone. */
int mf_ring_push(struct mf_ring *ring, const void *data, size_t size);
/* For the writer: ends the data. With `broken` set the data is incomplete: the reader gets -EPIPE at its end. */
void mf_ring_finish(struct mf_ring *ring, int broken);
/* For the reader: waits for data and takes up to `size` bytes. Returns their number, 0 at the end, or -EPIPE. */
long mf_ring_pop(struct mf_ring *ring, void *data, size_t size);
/* For the reader: takes no more data; the writer gets -EPIPE. */
void mf_ring_abandon(struct mf_ring *ring);

#endif
