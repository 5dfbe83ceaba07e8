/* SPDX-License-Identifier: MIT */
#ifndef MF_TAR_H
#define MF_TAR_H

/* Reads a tar (v7, ustar, pax, GNU, and their sparse files), strictly: what is malformed is refused by name, where
 * other readers guess. Names are bytes, whatever the locale. Memory does not grow with the archive. */

#include <sys/types.h>

#include "archive/entry.h"
#include "archive/sparse.h"

/* Gives the next bytes of the tar, valid until the next call. Returns their number, 0 at the end, or negative errno. */
typedef ssize_t mf_tar_source(void *userdata, const void **ret, struct mayfly_error *err);

struct mf_tar *mf_tar_new(mf_tar_source *source, void *userdata); /* NULL: out of memory */
struct mf_tar *mf_tar_free(struct mf_tar *tar);                   /* returns NULL */

/* Reads the next entry, and skips what was not read of the last one. 1, or 0 at the archive's end, or negative errno.
 */
int mf_tar_next(struct mf_tar *tar, struct mf_entry *ret, struct mayfly_error *err);

/* Reads the next piece of the entry's data; *ret_offset is where in the file it belongs. 1, or 0 at its end, or
 * negative errno. */
int mf_tar_data(const struct mf_entry *entry, const void **ret, size_t *ret_size, uint64_t *ret_offset,
                struct mayfly_error *err);

#endif
