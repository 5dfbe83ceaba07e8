/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_FILES_H
#define MF_OCI_FILES_H

/* The files of a layout or an archive by their names: of a directory, or of a tar, which stays as it is. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

#include "archive/spool.h"
#include "util/buffer.h"

struct mf_oci_files;

/* A file in the directory or the tar. */
struct mf_oci_file {
        int fd;
        int is_own; /* the descriptor is to be closed */
        uint64_t offset, size;
};

/* Opens the directory or the tar `path`. Of a compressed tar a copy is made, which goes when it is closed. Returns 0 or negative errno. */
int mf_oci_files_open(struct mf_oci_files **ret, const char *path, const struct mf_spool_limits *limits,
                      struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_oci_files *mf_oci_files_free(struct mf_oci_files *files);

/* Returns the path, for messages. */
const char *mf_oci_files_path(const struct mf_oci_files *files);
/* Whether it is a directory. */
int mf_oci_files_is_directory(const struct mf_oci_files *files);

/* Finds a file. Several threads may call it at once. *ret is for mf_oci_file_close(), and set on success only. Returns 0, -ENOENT without an
 * error when there is no such file, or another negative errno. */
int mf_oci_files_get(const struct mf_oci_files *files, const char *name, struct mf_oci_file *ret,
                     struct mayfly_error *err);
void mf_oci_file_close(struct mf_oci_file *file);

/* Reads a whole file of up to `max` bytes. *ret is for mf_buffer_clear(), and set on success only. Returns as mf_oci_files_get(), or -EFBIG
 * with a message. */
int mf_oci_files_read(const struct mf_oci_files *files, const char *name, size_t max, struct mf_buffer *ret,
                      struct mayfly_error *err);

#endif
