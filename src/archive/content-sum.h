/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTENT_SUM_H
#define MF_CONTENT_SUM_H

/* Checksums of a file's content and extended attributes, by which one can tell later whether they changed. */

#include <stddef.h>
#include <stdint.h>

#include "archive/digest.h"

/* The sum of a file's content: the checksum of its aligned blocks of 64 KiB that are not all zeros, each after its
 * offset as 8 bytes, lowest first. So a hole costs nothing, wherever a file system keeps one. */
#define MF_CONTENT_SUM_BLOCK 65536U

struct mf_content_sum {
        struct mf_mac *mac;
        uint64_t size, end; /* of the file, of what was added */
        uint64_t block;     /* offset of the block that is being added to */
        size_t fill;        /* what was added of it */
        int begun;          /* it is not all zeros so far, and all so far is in the checksum */
        int result;
};

struct mf_content_sum *mf_content_sum_new(void); /* NULL: out of memory */
struct mf_content_sum *mf_content_sum_free(struct mf_content_sum *sum);
void mf_content_sum_begin(struct mf_content_sum *sum, uint64_t size);
/* In rising order; what is left out is zeros. 0, or -EBADMSG: out of order or beyond the size. */
int mf_content_sum_add(struct mf_content_sum *sum, uint64_t offset, const void *data, size_t size);
int mf_content_sum_finish(struct mf_content_sum *sum, char ret[MF_MAC_LENGTH + 1]); /* 0 or -EIO */
/* Of the extended attributes that an image can set; "-" when there are none. 0 or -errno. */
int mf_content_sum_xattrs(struct mf_content_sum *sum, int fd, char ret[MF_MAC_LENGTH + 1]);

#endif
