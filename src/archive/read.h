/* SPDX-License-Identifier: MIT */
#ifndef MF_ARCHIVE_H
#define MF_ARCHIVE_H

/* The two stages that know archives: decompressing, which with write.c is all that libarchive is used for, and taking
 * a tar apart. */

#include <stdint.h>

#include <mayfly/error.h>

#include "archive/content-sum.h"
#include "archive/entry.h"
#include "util/ring.h"

#define MF_ARCHIVE_HEAD 512U /* bytes that tell what a file is */

/* Whether a file's first bytes are those of an archive, compressed or not, or of what is taken for one: then it is for
 * mf_decompress() to tell what is wrong with it. */
int mf_archive_is_known(const void *head, size_t size);

/* Whether a file that begins so is compressed in a way that mf_decompress_file() knows. */
int mf_archive_is_compressed(const void *head, size_t size);

/* Reads a compressed (gzip, bzip2, xz) or plain archive from `in` and hands the tar's bytes to `sink`, which returns 0
 * or negative errno. -EPIPE without a message when `in` broke. */
int mf_decompress(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                  struct mayfly_error *err);

/* Does the same for a layer of an OCI image: it may be compressed by zstd, too, and whatever is not known to be compressed counts
 * as a tar. */
int mf_decompress_layer(struct mf_ring *in, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                        struct mayfly_error *err);

/* Does the same for a file, from where it stands to its end. */
int mf_decompress_file(int fd, int (*sink)(void *userdata, const void *data, size_t size), void *userdata,
                       struct mayfly_error *err);

/* Reads the entry's data. Writes it to `fd`, holes left out, unless that is -1, and adds it to `sum`, unless that is
 * NULL. *ret_end is where it ends, which is before the entry's size when there is a hole at its end. 0, or negative
 * errno with a message. */
int mf_entry_data(const struct mf_entry *entry, int fd, struct mf_content_sum *sum, uint64_t *ret_end,
                  struct mayfly_error *err);

/* Reads the data of a small entry, such as a manifest; *ret is allocated, and NUL-terminated. */
int mf_entry_text(const struct mf_entry *entry, char **ret, struct mayfly_error *err);

/* Calls `each` for every entry of the tar in `in`, and reads `in` to its end. */
int mf_untar(struct mf_ring *in, int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err),
             void *userdata, struct mayfly_error *err);
/* Does the same for a layer of an OCI image, whose tar may lack its end: see mf_tar_may_lack_end(). */
int mf_untar_layer(struct mf_ring *in,
                   int (*each)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err), void *userdata,
                   struct mayfly_error *err);

#endif
