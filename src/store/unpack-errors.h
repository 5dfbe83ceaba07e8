/* SPDX-License-Identifier: MIT */
#ifndef MF_UNPACK_ERRORS_H
#define MF_UNPACK_ERRORS_H

/* The errors of unpack.c: of an entry that cannot be stored. `code` is a negative errno. All return a negative errno. */

#include <stdint.h>

#include "archive/entry.h"

/* The entry cannot be `what`. */
int mf_cannot_be(struct mayfly_error *err, int code, const struct mf_entry *entry, const char *what);
/* The entry cannot be made. */
int mf_cannot_make(struct mayfly_error *err, int code, const struct mf_entry *entry);
/* The entry cannot get its owner, mode or time. */
int mf_cannot_finish(struct mayfly_error *err, int code, const struct mf_entry *entry);
/* The hard link cannot be made. `is_partial`: the archive is one layer of several. */
int mf_cannot_link(struct mayfly_error *err, int code, int is_partial, const struct mf_entry *entry,
                   const char *target);
/* An extended attribute of the open file cannot be set. */
int mf_cannot_set_xattr(struct mayfly_error *err, int code, int fd, const struct mf_entry *entry,
                        const struct mf_xattr *xattr);
/* The file cannot be as long as it is with its holes. */
int mf_cannot_have_size(struct mayfly_error *err, int code, const struct mf_entry *entry);
/* The image has more entries than the caller's max_entries. */
int mf_too_many_entries(struct mayfly_error *err, uint64_t max);
/* The paths that unpacking has to remember have more bytes than `max`, which is MF_LISTED_MAX. */
#define MF_LISTED_MAX ((size_t) 64 * 1024 * 1024)
int mf_too_long_lists(struct mayfly_error *err, size_t max);

#endif
