/* SPDX-License-Identifier: MIT */
#ifndef MF_TREE_RECEIVE_H
#define MF_TREE_RECEIVE_H

/* Makes the files that come over a stream. A file or a new tree appears under its name when it is whole, and not at all
 * otherwise. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

#include "tree/stream.h"

struct mf_tree_target {
        int into;   /* a directory that is there, and that gets what the tree has; -1: there is none */
        int parent; /* else the directory where `name` is made, unless it is there: only a file replaces a file */
        const char *name;
        const char *label; /* the path of all, for messages */
        const char *where; /* "" or " in the container", follows the path in messages */
        int keep_owners;   /* files get the owners and capabilities that the stream says; else `uid` and `gid`, */
        uid_t uid;         /* where -1 leaves the owner as it is */
        gid_t gid;
        int keep_set_ids;                /* and the set-user-ID and set-group-ID bits */
        uint64_t max_bytes, max_entries; /* of content, and of files and directories; 0: any number */
        /* Opens the directory that a symbolic link on the way leads to; `path` is below the top. Returns a descriptor, or negative errno.
         * NULL: a link on the way is an error. */
        int (*follow)(void *userdata, const char *path);
        void *userdata;
};

/* Returns 0 or negative errno with an error: -EPIPE, without one, when the sender gave up, and without one what the stream's wait()
 * returned. */
int mf_tree_receive(struct mf_stream *stream, const struct mf_tree_target *target, struct mayfly_error *err);

/* Receives one file into memory: *ret is allocated, and ends with a NUL that *ret_size does not count. Returns 0 or negative errno
 * without an error: -EFBIG when the file has more than `max` bytes. */
int mf_tree_receive_data(struct mf_stream *stream, size_t max, char **ret, size_t *ret_size);

#endif
