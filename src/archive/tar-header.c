/* SPDX-License-Identifier: MIT */
#include "archive/tar-header.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum mf_tar_format mf_tar_format(const struct mf_tar_header *header)
{
        if (memcmp(header->magic, "ustar\0", 6) == 0)
                return memcmp(header->rest + 8, "tar\0", 4) == 0 ? MF_TAR_STAR : MF_TAR_USTAR;
        return memcmp(header->magic, "ustar ", 6) == 0 && memcmp(header->version, " \0", 2) == 0 ? MF_TAR_GNU
                                                                                                 : MF_TAR_V7;
}

int mf_tar_is_zero(const void *block)
{
        const char *p = block;

        return p[0] == 0 && memcmp(p, p + 1, MF_TAR_BLOCK - 1) == 0;
}

/* The sum of all bytes, those of the checksum itself taken as blanks. Some old writers took bytes as signed. */
static void sum(const struct mf_tar_header *header, int64_t *ret_unsigned, int64_t *ret_signed)
{
        const unsigned char *p = (const unsigned char *) header;
        const size_t begin = offsetof(struct mf_tar_header, checksum), end = begin + sizeof(header->checksum);

        *ret_unsigned = *ret_signed = 0;
        for (size_t i = 0; i < MF_TAR_BLOCK; i++) {
                unsigned char byte = i >= begin && i < end ? ' ' : p[i];
                *ret_unsigned += byte;
                *ret_signed += (signed char) byte;
        }
}

int mf_tar_checksum_matches(const struct mf_tar_header *header)
{
        int64_t said, is_unsigned, is_signed;

        if (mf_tar_number(header->checksum, sizeof(header->checksum), &said) < 0)
                return 0;
        sum(header, &is_unsigned, &is_signed);
        return said == is_unsigned || said == is_signed;
}

void mf_tar_set_checksum(struct mf_tar_header *header)
{
        int64_t is_unsigned, is_signed;

        sum(header, &is_unsigned, &is_signed);
        (void) mf_tar_set_number(header->checksum, 7, (uint64_t) is_unsigned);
        header->checksum[7] = ' ';
}

/* GNU's extension: two's complement, the highest bit of which marks it. */
static int number_256(const unsigned char *field, size_t size, int64_t *ret)
{
        const unsigned char fill = field[0] & 0x40 ? 0xff : 0;
        uint64_t value = fill ? UINT64_MAX : 0;

        for (size_t i = 0; i < size; i++) {
                unsigned char byte = i == 0 ? (unsigned char) ((field[0] & 0x7f) | (fill & 0x80)) : field[i];
                if (size - i > 8 && byte != fill)
                        return -EBADMSG;
                value = value << 8 | byte;
        }
        if ((value >> 63) != (fill ? 1 : 0))
                return -EBADMSG;
        *ret = (int64_t) value;
        return 0;
}

int mf_tar_number(const char *field, size_t size, int64_t *ret)
{
        size_t i = 0;
        int64_t value = 0;

        if ((unsigned char) field[0] & 0x80)
                return number_256((const unsigned char *) field, size, ret);
        while (i < size && (field[i] == ' ' || field[i] == '\0'))
                i++;
        for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
                value = value * 8 + (field[i] - '0'); /* 36 bits at most */
        for (; i < size; i++)
                if (field[i] != ' ' && field[i] != '\0')
                        return -EBADMSG;
        *ret = value;
        return 0;
}

int mf_tar_set_number(char *field, size_t size, uint64_t value)
{
        const uint64_t max = ((uint64_t) 1 << (3 * (size - 1))) - 1;
        int fits = value <= max;

        if (!fits)
                value = max;
        field[size - 1] = '\0';
        for (size_t i = size - 1; i-- > 0; value >>= 3)
                field[i] = (char) ('0' + (value & 7));
        return fits;
}

mode_t mf_tar_type(const struct mf_tar_header *header, const char *name)
{
        size_t length = strlen(name);

        switch (header->type) {
        case '\0': /* before POSIX, a directory was a file by such a name */
                return length > 0 && name[length - 1] == '/' ? S_IFDIR : S_IFREG;
        case '0':
        case '1': /* a hard link has what it links to */
        case '7':
        case 'S':
                return S_IFREG;
        case '2':
                return S_IFLNK;
        case '3':
                return S_IFCHR;
        case '4':
                return S_IFBLK;
        case '5':
                return S_IFDIR;
        case '6':
                return S_IFIFO;
        default:
                return 0;
        }
}
