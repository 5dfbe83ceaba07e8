/* SPDX-License-Identifier: MIT */
#ifndef MF_SPOOL_H
#define MF_SPOOL_H

/* A copy of a compressed file without its compression, to be read at any place. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <mayfly/error.h>

/* How long a file may be read. */
struct mf_spool_limits {
        uint64_t max_unpacked;            /* bytes without compression */
        int (*cancelled)(void *userdata); /* non-zero cancels with -ECANCELED; may be NULL */
        void *userdata;
};

/* Decompresses the file `fd` into a file without a name, of which nothing is left when it is closed. `path` is for messages. Returns its
 * descriptor or negative errno: -EFBIG for more than max_unpacked bytes. */
int mf_spool(int fd, const char *path, const struct mf_spool_limits *limits, struct mayfly_error *err);

/* Decompresses the file's first bytes to `head`, up to `size`; of a damaged file as many as there are. Returns their number, or
 * negative errno. */
ssize_t mf_spool_head(int fd, void *head, size_t size);

#endif
