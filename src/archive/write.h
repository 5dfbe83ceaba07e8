/* SPDX-License-Identifier: MIT */
#ifndef MF_ARCHIVE_WRITE_H
#define MF_ARCHIVE_WRITE_H

/* Writes an image's archive: a tar (ustar, and pax where that does not suffice) whose bytes depend on nothing but its
 * entries. With read.c and copy.c the only user of libarchive, which compresses. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/build.h>

#include "archive/entry.h"
#include "model/reference.h"

struct mf_writer;

/* Sees all that is written. Both return 0, or negative errno with a message, which ends the writing. */
struct mf_watch {
        int (*entry)(void *userdata, const struct mf_entry *entry, struct mayfly_error *err);
        int (*data)(void *userdata, const void *data, size_t size, struct mayfly_error *err); /* of the last entry */
        void *userdata;
};

/* To `fd`, which stays the caller's, as does `watch`, which may be NULL. */
int mf_writer_new(struct mf_writer **ret, int fd, enum mayfly_compression compression, const struct mf_watch *watch,
                  struct mayfly_error *err);
/* Does the same for a layer of an OCI image: "rootfs/NAME" is written as "NAME", and "rootfs" as "./"; the ID is the diff_id, "sha256-...". */
int mf_writer_new_layer(struct mf_writer **ret, int fd, enum mayfly_compression compression,
                        const struct mf_watch *watch, struct mayfly_error *err);
struct mf_writer *mf_writer_free(struct mf_writer *writer);

/* Begins an entry, of whose attributes only those are written that images keep. Times are written in whole seconds. A
 * regular file that is no hard link must get all its data next; of a sparse one without its holes. */
int mf_writer_put(struct mf_writer *writer, const struct mf_entry *entry, struct mayfly_error *err);
int mf_writer_data(struct mf_writer *writer, const void *data, size_t size, struct mayfly_error *err);

/* Ends the archive; `id` becomes its image ID. */
int mf_writer_finish(struct mf_writer *writer, char id[MF_ID_LENGTH + 1], struct mayfly_error *err);

#endif
