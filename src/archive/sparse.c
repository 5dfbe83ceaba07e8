/* SPDX-License-Identifier: MIT */
#include "archive/sparse.h"

#include <errno.h>
#include <stdlib.h>

#include "util/buffer.h"

#define SEGMENTS_MAX ((size_t) 1 << 20)

int mf_sparse_add(struct mf_sparse *sparse, uint64_t offset, uint64_t size)
{
        if (size > INT64_MAX || offset > INT64_MAX - size || offset < mf_sparse_end(sparse))
                return -EBADMSG;
        if (sparse->n >= SEGMENTS_MAX)
                return -E2BIG;
        struct mf_segment *grown = mf_grow(sparse->list, sparse->n, &sparse->allocated, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        sparse->list = grown;
        sparse->list[sparse->n++] = (struct mf_segment){ offset, size };
        return 0;
}

uint64_t mf_sparse_bytes(const struct mf_sparse *sparse)
{
        uint64_t bytes = 0;

        for (size_t i = 0; i < sparse->n; i++)
                bytes += sparse->list[i].size;
        return bytes;
}

uint64_t mf_sparse_end(const struct mf_sparse *sparse)
{
        return sparse->n ? sparse->list[sparse->n - 1].offset + sparse->list[sparse->n - 1].size : 0;
}

void mf_sparse_clear(struct mf_sparse *sparse)
{
        free(sparse->list);
        *sparse = (struct mf_sparse){ 0 };
}
