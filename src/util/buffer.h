/* SPDX-License-Identifier: MIT */
#ifndef MF_BUFFER_H
#define MF_BUFFER_H

/* Bytes that grow, and lists that grow in the same way: each time by at least a half, so that n additions cost n. */

#include <stddef.h>

/* Start from zeros. */
struct mf_buffer {
        char *data; /* followed by a NUL, which does not count; NULL while there is nothing */
        size_t size, allocated;
};

/* Appends bytes. Returns 0, or -ENOMEM, and then the buffer is as it was. */
int mf_buffer_add(struct mf_buffer *buffer, const void *data, size_t size);
/* Frees the bytes; the buffer is empty then. */
void mf_buffer_clear(struct mf_buffer *buffer);

/* Makes room for one more element after the first `n` of `list`. Returns the list, which may have moved, or NULL when
 * there is no memory, and then `list` is as it was. `allocated` is the number of elements that there is room for; start
 * from NULL and 0. */
void *mf_grow(void *list, size_t n, size_t *allocated, size_t element_size);

#endif
