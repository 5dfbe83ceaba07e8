/* SPDX-License-Identifier: MIT */
#ifndef MF_ARCHIVE_WRITE_H
#define MF_ARCHIVE_WRITE_H

/* Writing an ACI: a tar whose bytes depend on nothing but its entries. With archive.c the only user of libarchive. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include <mayfly/build.h>

#include "model/reference.h"

struct mf_writer;

/* To `fd`, which stays the caller's. Until mf_writer_free(), the calling thread has a locale of its own. */
int mf_writer_new(struct mf_writer **ret, int fd, enum mayfly_compression compression, struct mayfly_error *err);
struct mf_writer *mf_writer_free(struct mf_writer *writer);

/* An entry in steps: begun, given attributes, put, and then its data. `name` is "manifest", or "rootfs" and below.
 * Links are NULL where there is none. */
int mf_writer_begin(struct mf_writer *writer, const char *name, const struct stat *st, const char *symlink,
                    const char *hardlink, struct mayfly_error *err);
void mf_writer_xattr(struct mf_writer *writer, const char *name, const void *value, size_t size);
int mf_writer_put(struct mf_writer *writer, struct mayfly_error *err);
int mf_writer_data(struct mf_writer *writer, const void *data, size_t size, struct mayfly_error *err);

/* What may be changed of each entry of an archive. */
struct mf_rewrite {
        int owner_root;
        int64_t latest; /* time, in seconds; INT64_MAX for any */
};

/* All entries of the tar that `fd` has, below "rootfs", in their order. */
int mf_writer_copy_tar(struct mf_writer *writer, int fd, const struct mf_rewrite *rewrite, struct mayfly_error *err);

/* Ends the archive; `id` becomes its image ID. */
int mf_writer_finish(struct mf_writer *writer, char id[MF_ID_LENGTH + 1], struct mayfly_error *err);

#endif
