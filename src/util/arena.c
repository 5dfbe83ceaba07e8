/* SPDX-License-Identifier: MIT */
#include "util/arena.h"

#include <stdlib.h>
#include <string.h>

#include "util/strv.h"

struct mf_arena_block {
        struct mf_arena_block *before;
        max_align_t data[];
};

void *mf_arena_get(struct mf_arena *arena, size_t size)
{
        struct mf_arena_block *block = calloc(1, sizeof(*block) + size);

        if (!block) {
                arena->failed = 1;
                return NULL;
        }
        block->before = arena->last;
        arena->last = block;
        return block->data;
}

char *mf_arena_string(struct mf_arena *arena, const char *string)
{
        size_t size = string ? strlen(string) + 1 : 0;
        char *copy = string ? mf_arena_get(arena, size) : NULL;

        return copy ? memcpy(copy, string, size) : NULL;
}

const char *const *mf_arena_strings(struct mf_arena *arena, const char *const *strings)
{
        size_t n = mf_strv_length(strings);
        const char **copy = strings ? mf_arena_get(arena, (n + 1) * sizeof(char *)) : NULL;
        for (size_t i = 0; copy && i < n; i++)
                copy[i] = mf_arena_string(arena, strings[i]);
        return copy;
}

void mf_arena_clear(struct mf_arena *arena)
{
        while (arena->last) {
                struct mf_arena_block *before = arena->last->before;
                free(arena->last);
                arena->last = before;
        }
        arena->failed = 0;
}
