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

/* Lets the archive end after the last byte of its last entry: umoci and kaniko write layers without the padding. */
void mf_tar_may_lack_end(struct mf_tar *tar);

/* Lets the reader skip bytes without reading them. `skip` moves the source on, beyond what it gave; it returns 0, or negative errno with
 * a message. */
void mf_tar_set_skip(struct mf_tar *tar, int (*skip)(void *userdata, uint64_t size, struct mayfly_error *err));

/* Returns the number of bytes of the archive that were read: after mf_tar_next(), where the data of the entry begins. */
uint64_t mf_tar_position(const struct mf_tar *tar);

/* Returns the number of bytes before the first header of the last entry: a reader that begins there reads the same entry. */
uint64_t mf_tar_begin(const struct mf_tar *tar);

/* Reads the next entry, and skips what was not read of the last one. 1, or 0 at the archive's end, or negative errno.
 */
int mf_tar_next(struct mf_tar *tar, struct mf_entry *ret, struct mayfly_error *err);

/* Reads the next piece of the entry's data; *ret_offset is where in the file it belongs. 1, or 0 at its end, or
 * negative errno. */
int mf_tar_data(const struct mf_entry *entry, const void **ret, size_t *ret_size, uint64_t *ret_offset,
                struct mayfly_error *err);

#endif
