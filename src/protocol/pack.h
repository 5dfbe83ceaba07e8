/* SPDX-License-Identifier: MIT */
#ifndef MF_PACK_H
#define MF_PACK_H

/* Values one after the other in one block of bytes, for what the library and mayfly-helper send each other. The reader
 * takes them in the writer's order. */

#include <stddef.h>
#include <stdint.h>

#include "util/buffer.h"

/* Start from zeros. A failure to add is remembered in `failed`. */
struct mf_pack {
        struct mf_buffer bytes;
        int failed;
};

void mf_pack_number(struct mf_pack *pack, uint64_t number);
/* `string` may be NULL. */
void mf_pack_string(struct mf_pack *pack, const char *string);
/* `strings` is NULL-terminated, or NULL. */
void mf_pack_strings(struct mf_pack *pack, const char *const *strings);
void mf_pack_clear(struct mf_pack *pack);

/* What is left to be read. After the first value that is not there all others are 0 or NULL, and `failed` is set. */
struct mf_unpack {
        const char *at;
        size_t left;
        int failed;
};

uint64_t mf_unpack_number(struct mf_unpack *unpack);
/* Returns a string within the block, or NULL. */
const char *mf_unpack_string(struct mf_unpack *unpack);
/* Returns an allocated list of strings within the block, or NULL. Free the list alone. */
const char **mf_unpack_strings(struct mf_unpack *unpack);

/* One member of a struct: a number (an enum, too) or a string. */
struct mf_field {
        size_t offset, size;
        int is_string;
};

#define MF_FIELD(type, member)                                                                            \
        {                                                                                                 \
                .offset = offsetof(type, member), .size = sizeof(((type *) NULL)->member),                \
                .is_string = _Generic(((type *) NULL)->member, char * : 1, const char * : 1, default : 0) \
        }

/* The members that cross, in their order on the way. */
struct mf_fields {
        const struct mf_field *field;
        size_t n;
};

void mf_pack_fields(struct mf_pack *pack, const struct mf_fields *fields, const void *object);
/* Sets these members of the object, and no others. Strings are within the block. */
void mf_unpack_fields(struct mf_unpack *unpack, const struct mf_fields *fields, void *object);

#endif
