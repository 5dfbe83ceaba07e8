/* SPDX-License-Identifier: MIT */
#ifndef MF_TREE_RECORD_H
#define MF_TREE_RECORD_H

/* The records that a tree of files becomes, in the order in which it is walked. A record names its file within the directory at
 * hand, never by a path. Both ends come from one build; the reader believes nothing of what it reads, though.
 *
 *   DIRECTORY  then all that is in it, then END
 *   FILE       then its data: chunks with rising offsets, between which there are holes, and a chunk without bytes
 *   HARD_LINK  to the file that had the same `link`
 *   SYMLINK, FIFO */

#include <limits.h>
#include <stdint.h>

#include "tree/stream.h"
#include "util/buffer.h"

enum mf_tree_type {
        MF_TREE_DIRECTORY = 1,
        MF_TREE_END,
        MF_TREE_FILE,
        MF_TREE_HARD_LINK,
        MF_TREE_SYMLINK,
        MF_TREE_FIFO,
};

struct mf_tree_record {
        uint32_t type; /* enum mf_tree_type */
        uint32_t mode; /* permissions, without the type */
        uint32_t uid, gid;
        int64_t mtime_s;
        uint32_t mtime_ns;
        uint32_t name_size;   /* of the name that follows; 0 at the top */
        uint32_t target_size; /* of a symbolic link's target, which comes next */
        uint32_t xattrs_size; /* of the attributes, which come last: see mf_tree_xattr_add() */
        uint64_t size;        /* of a file, with its holes */
        uint64_t link;        /* number of a file with several names, from 1 on, or 0 */
};

/* A piece of a file's data, whose bytes follow. */
struct mf_tree_chunk {
        uint64_t offset;
        uint64_t size; /* 0: the data ends here */
};

/* A record with what follows it. Start from zeros. */
struct mf_tree_entry {
        struct mf_tree_record record;
        char name[NAME_MAX + 1];
        char target[PATH_MAX];
        struct mf_buffer xattrs;
};

void mf_tree_entry_clear(struct mf_tree_entry *entry);

#define MF_TREE_XATTRS_MAX ((size_t) 1024 * 1024)

/* Adds an attribute to those of an entry. Returns 0, -ENOMEM, or -E2BIG when there are too many. */
int mf_tree_xattr_add(struct mf_buffer *xattrs, const char *name, const void *value, size_t size);
/* Reads the attribute at *at, and moves that on. Returns 1, 0 after the last, or -EPROTO. */
int mf_tree_xattr_next(const struct mf_buffer *xattrs, size_t *at, const char **ret_name, const void **ret_value,
                       size_t *ret_size);

/* Writes the entry's record; the sizes of what follows are set here. Returns 0 or negative errno. */
int mf_tree_entry_put(struct mf_stream *stream, struct mf_tree_entry *entry);
/* Reads the next record. Returns 0 or negative errno: -EPROTO for one that no sender writes. */
int mf_tree_entry_get(struct mf_stream *stream, struct mf_tree_entry *ret);

#endif
