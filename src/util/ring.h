/* SPDX-License-Identifier: MIT */
#ifndef MF_RING_H
#define MF_RING_H

/* A bounded queue of bytes between two threads: what keeps a pipeline's memory from growing. */

#include <stddef.h>

struct mf_ring;

struct mf_ring *mf_ring_new(size_t capacity); /* NULL: out of memory */
struct mf_ring *mf_ring_free(struct mf_ring *ring);

/* Writer: waits for room. 0, or -EPIPE when the reader is gone. */
int mf_ring_push(struct mf_ring *ring, const void *data, size_t size);
/* Writer: that was all; with broken set, it was not, and the reader gets -EPIPE after what is there. */
void mf_ring_finish(struct mf_ring *ring, int broken);
/* Reader: waits for something and takes up to `size` bytes. Their number, 0 at the end, or -EPIPE. */
long mf_ring_pop(struct mf_ring *ring, void *data, size_t size);
/* Reader: wants no more; the writer gets -EPIPE. */
void mf_ring_abandon(struct mf_ring *ring);

#endif
