/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIRST 16U /* elements */

/* The least size to have for `wanted`: a half more than there is, at least. 0 when there is no such size. */
static size_t next_size(size_t allocated, size_t wanted)
{
        size_t next = allocated + allocated / 2;

        if (next < allocated)
                return 0;
        if (next < FIRST)
                next = FIRST;
        return next > wanted ? next : wanted;
}

int mf_buffer_add(struct mf_buffer *buffer, const void *data, size_t size)
{
        if (size > SIZE_MAX - 1 - buffer->size)
                return -ENOMEM;
        size_t wanted = buffer->size + size + 1;
        if (wanted > buffer->allocated) {
                size_t allocated = next_size(buffer->allocated, wanted);
                char *grown = allocated ? realloc(buffer->data, allocated) : NULL;
                if (!grown)
                        return -ENOMEM;
                buffer->data = grown;
                buffer->allocated = allocated;
        }
        if (size > 0)
                memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
        buffer->data[buffer->size] = '\0';
        return 0;
}

void mf_buffer_clear(struct mf_buffer *buffer)
{
        free(buffer->data);
        *buffer = (struct mf_buffer){ 0 };
}

void *mf_grow(void *list, size_t n, size_t *allocated, size_t element_size)
{
        if (n < *allocated)
                return list;
        size_t next = next_size(*allocated, n + 1);
        void *grown = next ? reallocarray(list, next, element_size) : NULL;
        if (grown)
                *allocated = next;
        return grown;
}
