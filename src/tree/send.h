/* SPDX-License-Identifier: MIT */
#ifndef MF_TREE_SEND_H
#define MF_TREE_SEND_H

/* Reads files and writes them into a stream. Never follows a symbolic link, opens nothing but regular files and directories, and
 * so waits for no device and no FIFO. */

#include <sys/types.h>

#include <mayfly/error.h>

#include "tree/stream.h"

struct mf_tree_source {
        int fd;            /* of the file or directory at the top, O_PATH; borrowed */
        int proc;          /* of /proc/self/fd; borrowed */
        const char *label; /* its path, for messages */
        const char *where; /* "" or " in the container", follows the path in messages */
        int is_file;       /* a directory is an error */
        size_t max_names;  /* in one directory; 0: any number */
        int has_mode;      /* a file gets `mode` instead of its own */
        mode_t mode;
};

/* Sends the file or the tree. Sockets in a tree are left out. Returns 0 or negative errno with an error: -EPIPE, without one, when
 * the peer has ended the stream; -EBUSY when a file changed meanwhile; -EISDIR, -EINVAL for what cannot be sent; and what the stream's
 * wait() returned. */
int mf_tree_send(struct mf_stream *stream, const struct mf_tree_source *source, struct mayfly_error *err);

/* Sends one file that has `data` in it. Returns 0 or negative errno without an error. */
int mf_tree_send_data(struct mf_stream *stream, const void *data, size_t size, mode_t mode);

#endif
