/* SPDX-License-Identifier: MIT */
#ifndef MF_ARCHIVE_COPY_H
#define MF_ARCHIVE_COPY_H

/* From somebody's tar to an image's archive. */

#include "archive/write.h"

/* What is changed of each entry, and what is noticed. */
struct mf_rewrite {
        int owner_root;
        int64_t latest; /* time, in seconds; INT64_MAX for any */
        char *acl;      /* the name of the first entry that has ACLs, which are left out; allocated */
};

/* Applies `rewrite` to the owner and the time of an entry. */
void mf_rewrite_entry(const struct mf_rewrite *rewrite, struct mf_entry *entry);
/* Notes that an entry has ACLs. 0 or -ENOMEM. */
int mf_rewrite_note_acl(struct mf_rewrite *rewrite, const char *name);

/* Writes all entries of the tar that `fd` has, plain or compressed, below "rootfs", in their order. */
int mf_writer_copy_tar(struct mf_writer *writer, int fd, struct mf_rewrite *rewrite, struct mayfly_error *err);

#endif
