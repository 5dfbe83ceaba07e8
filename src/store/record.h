/* SPDX-License-Identifier: MIT */
#ifndef MF_RECORD_H
#define MF_RECORD_H

/* What an image was when it was published, so that it can be told later whether it still is: the file "record" beside
 * its manifest and rootfs, written while the image is unpacked, one line an entry:
 *
 *     mayfly-record 2 sha512-<the image ID>
 *     TYPE MODE UID GID SIZE CONTENT XATTRS PATH [TARGET]
 *     end ENTRIES BYTES LENGTH LARGEST CHECKSUM
 *
 * TYPE is f, d, l (symbolic link), h (hard link to TARGET, the rest is said there), p, c or b (SIZE is the device
 * number). LARGEST is the largest UID or GID of a line. CONTENT and XATTRS are checksums or "-". PATH and TARGET have "\ooo" for what is not printable. A later
 * line for a path overrides an earlier one. The last line has a fixed length, so that a record that was cut, or was
 * never finished, is known by one look at its end. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive/content-sum.h"

struct mf_record_line; /* record-table.h */

#define MF_RECORD_HEADER "mayfly-record 2 "
#define MF_RECORD_TRAILER "end %020llu %020llu %020llu %010u %s\n"
#define MF_RECORD_TRAILER_LENGTH ((size_t) (4 + 21 * 3 + 11 + MF_MAC_LENGTH + 1))
#define MF_RECORD_LINE_MAX (8U * 4096U + 512U) /* two paths, every byte of them escaped */

/* One line. `sum` and `xattrs` may be "-", `target` NULL. Returns its length. */
size_t mf_record_format(char ret[MF_RECORD_LINE_MAX], const char *path, const struct stat *st, const char *sum,
                        const char *xattrs, const char *target);
size_t mf_record_escape(char *ret, const char *text); /* up to four bytes a byte, and NUL; returns its length */
void mf_record_unescape(char *ret, const char *text); /* the other way round; as long at most */

/* --- writing one ---------------------------------------------------------------------------------------------- */

struct mf_record;

/* In the directory `dirfd` (borrowed), for the image `id`. NULL with errno. */
struct mf_record *mf_record_new(int dirfd, const char *id);
struct mf_record *mf_record_free(struct mf_record *record);
struct mf_content_sum *mf_record_content_sum(struct mf_record *record); /* borrowed */
/* A finished entry; `fd` (or -1) is asked for extended attributes, `sum` and `target` may be NULL. 0 or -errno. */
int mf_record_add(struct mf_record *record, const char *path, const struct stat *st, const char *sum, int fd,
                  const char *target);
int mf_record_add_hardlink(struct mf_record *record, const char *path, const char *target);
/* A line of another record, under another name, which is escaped, as in that: what is there is the same file. */
int mf_record_add_copy(struct mf_record *record, const char *name, const struct mf_record_line *line);
/* Makes a regular file in the directory `dirfd`, and records it. 0 or -errno. */
int mf_record_add_text(struct mf_record *record, int dirfd, const char *name, mode_t mode, const void *text,
                       size_t size);
/* The last line. 0 or -errno. */
int mf_record_finish(struct mf_record *record);

/* --- looking at one ------------------------------------------------------------------------------------------- */

struct mf_record_summary {
        uint64_t entries; /* lines */
        uint64_t bytes;   /* that the image's files take on disk */
        uint64_t length;  /* of the record before its last line */
        uint32_t largest; /* user or group ID */
        char sum[MF_MAC_LENGTH + 1];
};

/* Reads the last line of the record in the open directory of an image, and no more. 0, -EBADMSG when it is missing,
 * cut or none (*ret_why says which), or another -errno. */
int mf_record_peek(int image_fd, struct mf_record_summary *ret, const char **ret_why);

#endif
