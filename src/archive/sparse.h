/* SPDX-License-Identifier: MIT */
#ifndef MF_SPARSE_H
#define MF_SPARSE_H

/* Where a sparse file has data. All else of it is holes. */

#include <stddef.h>
#include <stdint.h>

struct mf_segment {
        uint64_t offset, size;
};

struct mf_sparse {
        struct mf_segment *list; /* in rising order, not overlapping */
        size_t n, allocated;
};

/* Adds a segment. 0, -EBADMSG when it does not lie behind the others, -E2BIG when there are too many, or -ENOMEM. */
int mf_sparse_add(struct mf_sparse *sparse, uint64_t offset, uint64_t size);
uint64_t mf_sparse_bytes(const struct mf_sparse *sparse); /* of data */
uint64_t mf_sparse_end(const struct mf_sparse *sparse);   /* of the last segment */
void mf_sparse_clear(struct mf_sparse *sparse);

#endif
