/* SPDX-License-Identifier: MIT */
#include "protocol/pack.h"

#include <stdlib.h>
#include <string.h>

#include "util/strv.h"

#define NO_STRING UINT64_MAX /* in place of a length */

static void add(struct mf_pack *pack, const void *data, size_t size)
{
        if (!pack->failed && mf_buffer_add(&pack->bytes, data, size) < 0)
                pack->failed = 1;
}

void mf_pack_number(struct mf_pack *pack, uint64_t number)
{
        add(pack, &number, sizeof(number));
}

/* A string is its length and its bytes with the NUL. */
void mf_pack_string(struct mf_pack *pack, const char *string)
{
        mf_pack_number(pack, string ? strlen(string) : NO_STRING);
        if (string)
                add(pack, string, strlen(string) + 1);
}

/* A list is its length and its strings. */
void mf_pack_strings(struct mf_pack *pack, const char *const *strings)
{
        uint64_t n = mf_strv_length(strings);

        mf_pack_number(pack, strings ? n : NO_STRING);
        for (uint64_t i = 0; strings && i < n; i++)
                mf_pack_string(pack, strings[i]);
}

void mf_pack_clear(struct mf_pack *pack)
{
        mf_buffer_clear(&pack->bytes);
        pack->failed = 0;
}

/* Returns `size` bytes of the block, or NULL. */
static const char *take(struct mf_unpack *unpack, uint64_t size)
{
        const char *bytes = unpack->at;

        if (unpack->failed || size > unpack->left) {
                unpack->failed = 1;
                return NULL;
        }
        unpack->at += size;
        unpack->left -= size;
        return bytes;
}

uint64_t mf_unpack_number(struct mf_unpack *unpack)
{
        const char *bytes = take(unpack, sizeof(uint64_t));
        uint64_t number = 0;

        if (bytes)
                memcpy(&number, bytes, sizeof(number));
        return number;
}

const char *mf_unpack_string(struct mf_unpack *unpack)
{
        uint64_t length = mf_unpack_number(unpack);

        if (unpack->failed || length == NO_STRING)
                return NULL;
        const char *string = take(unpack, length + 1);
        if (string && string[length] != '\0') {
                unpack->failed = 1;
                return NULL;
        }
        return string;
}

const char **mf_unpack_strings(struct mf_unpack *unpack)
{
        uint64_t n = mf_unpack_number(unpack);

        if (unpack->failed || n == NO_STRING)
                return NULL;
        const char **list = n <= unpack->left ? calloc(n + 1, sizeof(*list)) : NULL;
        if (!list) {
                unpack->failed = 1;
                return NULL;
        }
        for (uint64_t i = 0; i < n; i++)
                list[i] = mf_unpack_string(unpack);
        return list;
}

/* Only the bytes of the member are copied, so that its sign does not matter. */
static void pack_field(struct mf_pack *pack, const struct mf_field *field, const char *member)
{
        const char *string;
        uint64_t number = 0;

        if (field->is_string) {
                memcpy(&string, member, sizeof(string));
                mf_pack_string(pack, string);
        } else {
                memcpy(&number, member, field->size);
                mf_pack_number(pack, number);
        }
}

static void unpack_field(struct mf_unpack *unpack, const struct mf_field *field, char *member)
{
        if (field->is_string) {
                const char *string = mf_unpack_string(unpack);
                memcpy(member, &string, sizeof(string));
        } else {
                uint64_t number = mf_unpack_number(unpack);
                memcpy(member, &number, field->size);
        }
}

void mf_pack_fields(struct mf_pack *pack, const struct mf_fields *fields, const void *object)
{
        for (size_t i = 0; i < fields->n; i++)
                pack_field(pack, &fields->field[i], (const char *) object + fields->field[i].offset);
}

void mf_unpack_fields(struct mf_unpack *unpack, const struct mf_fields *fields, void *object)
{
        for (size_t i = 0; i < fields->n; i++)
                unpack_field(unpack, &fields->field[i], (char *) object + fields->field[i].offset);
}
