/* SPDX-License-Identifier: MIT */
#ifndef MF_TAR_HEADER_H
#define MF_TAR_HEADER_H

/* The block of 512 bytes that begins a tar's entry. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define MF_TAR_BLOCK ((size_t) 512)

struct mf_tar_header {
        char name[100];
        char mode[8], uid[8], gid[8];
        char size[12], mtime[12];
        char checksum[8];
        char type;
        char link[100];
        char magic[6], version[2];
        char user[32], group[32];
        char major[8], minor[8];
        char prefix[155];
        char rest[12];
};

/* The segment table of GNU's old sparse format, from byte 386 of a header on, or at the beginning of a block of more.
 */
struct mf_tar_segment {
        char offset[12], size[12];
};

_Static_assert(sizeof(struct mf_tar_header) == MF_TAR_BLOCK, "a header is a block");

enum mf_tar_format { MF_TAR_V7, MF_TAR_USTAR, MF_TAR_STAR, MF_TAR_GNU };

enum mf_tar_format mf_tar_format(const struct mf_tar_header *header);
int mf_tar_is_zero(const void *block); /* a block of zeros */

/* Whether the checksum is right. */
int mf_tar_checksum_matches(const struct mf_tar_header *header);
void mf_tar_set_checksum(struct mf_tar_header *header);

/* Reads a number, octal or base 256. 0, or -EBADMSG when it is none or too large. An empty field is 0. */
int mf_tar_number(const char *field, size_t size, int64_t *ret);

/* Writes an octal number of size - 1 digits; too large a one becomes the largest. Returns whether it fitted. */
int mf_tar_set_number(char *field, size_t size, uint64_t value);

/* Returns the type of an entry as a mode, or 0 when it is not known. */
mode_t mf_tar_type(const struct mf_tar_header *header, const char *name);

#endif
