/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree/record.h"

#include <errno.h>
#include <string.h>

/* What comes before the name and the value of an attribute. */
struct xattr_sizes {
        uint32_t name, value; /* that of the name counts its NUL */
};

void mf_tree_entry_clear(struct mf_tree_entry *entry)
{
        mf_buffer_clear(&entry->xattrs);
}

int mf_tree_xattr_add(struct mf_buffer *xattrs, const char *name, const void *value, size_t size)
{
        const struct xattr_sizes sizes = { (uint32_t) strlen(name) + 1, (uint32_t) size };

        if (xattrs->size + sizeof(sizes) + sizes.name + size > MF_TREE_XATTRS_MAX)
                return -E2BIG;
        int r = mf_buffer_add(xattrs, &sizes, sizeof(sizes));
        if (r == 0)
                r = mf_buffer_add(xattrs, name, sizes.name);
        return r == 0 && size > 0 ? mf_buffer_add(xattrs, value, size) : r;
}

int mf_tree_xattr_next(const struct mf_buffer *xattrs, size_t *at, const char **ret_name, const void **ret_value,
                       size_t *ret_size)
{
        const size_t left = xattrs->size - *at;
        struct xattr_sizes sizes;

        if (left == 0)
                return 0;
        if (left < sizeof(sizes))
                return -EPROTO;
        memcpy(&sizes, xattrs->data + *at, sizeof(sizes));
        if (sizes.name == 0 || (uint64_t) sizes.name + sizes.value > left - sizeof(sizes))
                return -EPROTO;
        const char *name = xattrs->data + *at + sizeof(sizes);
        if (name[sizes.name - 1] != '\0')
                return -EPROTO;
        *ret_name = name;
        *ret_value = name + sizes.name;
        *ret_size = sizes.value;
        *at += sizeof(sizes) + sizes.name + sizes.value;
        return 1;
}

int mf_tree_entry_put(struct mf_stream *stream, struct mf_tree_entry *entry)
{
        struct mf_tree_record *record = &entry->record;

        record->name_size = (uint32_t) strlen(entry->name);
        record->target_size = record->type == MF_TREE_SYMLINK ? (uint32_t) strlen(entry->target) : 0;
        record->xattrs_size = (uint32_t) entry->xattrs.size;
        int r = mf_stream_put(stream, record, sizeof(*record));
        if (r == 0)
                r = mf_stream_put(stream, entry->name, record->name_size);
        if (r == 0)
                r = mf_stream_put(stream, entry->target, record->target_size);
        return r == 0 ? mf_stream_put(stream, entry->xattrs.data, record->xattrs_size) : r;
}

/* Whether the name is one that a file in a directory can have, or empty. */
static int is_name(const char *name, size_t size)
{
        return strlen(name) == size && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int get_xattrs(struct mf_stream *stream, size_t size, struct mf_buffer *ret)
{
        int r = 0;

        mf_buffer_clear(ret);
        while (r == 0 && size > 0) {
                const void *piece;
                size_t n;
                r = mf_stream_piece(stream, size, &piece, &n);
                if (r == 0)
                        r = mf_buffer_add(ret, piece, n);
                size -= r == 0 ? n : 0;
        }
        return r;
}

int mf_tree_entry_get(struct mf_stream *stream, struct mf_tree_entry *ret)
{
        struct mf_tree_record *record = &ret->record;

        int r = mf_stream_get(stream, record, sizeof(*record));
        if (r < 0)
                return r;
        if (record->type < MF_TREE_DIRECTORY || record->type > MF_TREE_FIFO || record->name_size > NAME_MAX ||
            record->target_size >= PATH_MAX || record->xattrs_size > MF_TREE_XATTRS_MAX ||
            (record->target_size > 0) != (record->type == MF_TREE_SYMLINK) || record->mtime_ns >= 1000000000U)
                return -EPROTO;
        r = mf_stream_get(stream, ret->name, record->name_size);
        ret->name[record->name_size] = '\0';
        if (r == 0)
                r = mf_stream_get(stream, ret->target, record->target_size);
        ret->target[record->target_size] = '\0';
        if (r == 0)
                r = get_xattrs(stream, record->xattrs_size, &ret->xattrs);
        if (r == 0 && (!is_name(ret->name, record->name_size) || strlen(ret->target) != record->target_size))
                r = -EPROTO;
        return r;
}
