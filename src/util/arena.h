/* SPDX-License-Identifier: MIT */
#ifndef MF_ARENA_H
#define MF_ARENA_H

/* Memory that is freed all at once. */

#include <stddef.h>

struct mf_arena_block;

/* All zero: empty. */
struct mf_arena {
        struct mf_arena_block *last;
        int failed; /* there was no memory for something */
};

/* Returns zeroed memory, or NULL. */
void *mf_arena_get(struct mf_arena *arena, size_t size);

/* Copies a string, or a list of strings that ends with NULL. Returns NULL for NULL, and without memory. */
char *mf_arena_string(struct mf_arena *arena, const char *string);
const char *const *mf_arena_strings(struct mf_arena *arena, const char *const *strings);

void mf_arena_clear(struct mf_arena *arena);

#endif
