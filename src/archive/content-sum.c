/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "archive/content-sum.h"

#include <errno.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#include "archive/xattr.h"
#include "util/macro.h"

struct mf_content_sum *mf_content_sum_new(void)
{
        struct mf_content_sum *sum = calloc(1, sizeof(*sum));

        if (!sum)
                return NULL;
        sum->mac = mf_mac_new();
        return sum->mac ? sum : mf_content_sum_free(sum);
}

struct mf_content_sum *mf_content_sum_free(struct mf_content_sum *sum)
{
        if (sum) {
                mf_mac_free(sum->mac);
                free(sum);
        }
        return NULL;
}

/* Adds bytes to the checksum. */
static void put(struct mf_content_sum *sum, const void *data, size_t size)
{
        if (mf_mac_update(sum->mac, data, size) < 0)
                sum->result = -EIO;
}

/* Adds a number to the checksum, as 8 bytes, lowest first. */
static void put_number(struct mf_content_sum *sum, uint64_t number)
{
        unsigned char bytes[8];

        for (unsigned i = 0; i < 8; i++)
                bytes[i] = (unsigned char) (number >> (8 * i));
        put(sum, bytes, sizeof(bytes));
}

/* Adds `size` zeros to the checksum. */
static void put_zeros(struct mf_content_sum *sum, size_t size)
{
        static const unsigned char zeros[4096];

        for (size_t n; size > 0; size -= n) {
                n = size < sizeof(zeros) ? size : sizeof(zeros);
                put(sum, zeros, n);
        }
}

static int is_zero(const unsigned char *data, size_t size)
{
        return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Fills the block with zeros, if it is in the checksum. */
static void end_block(struct mf_content_sum *sum)
{
        uint64_t left = sum->size - sum->block;

        if (sum->begun)
                put_zeros(sum, (left < MF_CONTENT_SUM_BLOCK ? (size_t) left : MF_CONTENT_SUM_BLOCK) - sum->fill);
        sum->begun = 0;
        sum->fill = 0;
}

/* Adds a piece of the block, from its byte `at` on. */
static void put_piece(struct mf_content_sum *sum, size_t at, const unsigned char *data, size_t size)
{
        if (sum->begun) {
                put_zeros(sum, at - sum->fill);
                put(sum, data, size);
        } else if (!is_zero(data, size)) {
                put_number(sum, sum->block);
                put_zeros(sum, at);
                put(sum, data, size);
                sum->begun = 1;
        }
        sum->fill = at + size;
}

void mf_content_sum_begin(struct mf_content_sum *sum, uint64_t size)
{
        struct mf_mac *mac = sum->mac;

        *sum = (struct mf_content_sum){ .mac = mac, .size = size, .result = mf_mac_begin(mac) };
}

int mf_content_sum_add(struct mf_content_sum *sum, uint64_t offset, const void *data, size_t size)
{
        const unsigned char *p = data;

        if (offset < sum->end || offset > sum->size || size > sum->size - offset)
                return -EBADMSG;
        sum->end = offset + size;
        while (size > 0) {
                uint64_t block = offset / MF_CONTENT_SUM_BLOCK * MF_CONTENT_SUM_BLOCK;
                size_t at = (size_t) (offset - block);
                size_t n = size < MF_CONTENT_SUM_BLOCK - at ? size : MF_CONTENT_SUM_BLOCK - at;
                if (block != sum->block)
                        end_block(sum);
                sum->block = block;
                put_piece(sum, at, p, n);
                p += n;
                offset += n;
                size -= n;
        }
        return 0;
}

int mf_content_sum_finish(struct mf_content_sum *sum, char ret[MF_MAC_LENGTH + 1])
{
        end_block(sum);
        int r = mf_mac_final(sum->mac, ret);
        return sum->result < 0 ? sum->result : r;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

/* Adds the names and values of extended attributes. Returns 0 or negative errno. */
static int sum_values(struct mf_content_sum *sum, int fd, char **names, size_t n)
{
        mf_cleanup(mf_freep) char *value = malloc(XATTR_SIZE_MAX);

        if (!value)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                ssize_t size = fgetxattr(fd, names[i], value, XATTR_SIZE_MAX);
                if (size < 0)
                        return -errno;
                put_number(sum, strlen(names[i]));
                put_number(sum, (uint64_t) size);
                put(sum, names[i], strlen(names[i]));
                put(sum, value, (size_t) size);
        }
        return 0;
}

int mf_content_sum_xattrs(struct mf_content_sum *sum, int fd, char ret[MF_MAC_LENGTH + 1])
{
        mf_cleanup(mf_freep) char *list = NULL;
        mf_cleanup(mf_freep) char **names = NULL;
        size_t n = 0;

        snprintf(ret, MF_MAC_LENGTH + 1, "-");
        ssize_t size = flistxattr(fd, NULL, 0);
        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : -errno;
        list = malloc((size_t) size);
        names = calloc((size_t) size, sizeof(char *));
        if (!list || !names)
                return -ENOMEM;
        size = flistxattr(fd, list, (size_t) size);
        if (size < 0)
                return -errno;
        for (ssize_t i = 0; i < size; i += (ssize_t) strlen(list + i) + 1)
                if (mf_xattr_is_kept(list + i))
                        names[n++] = list + i;
        if (n == 0)
                return 0;
        qsort(names, n, sizeof(char *), compare_names);
        mf_content_sum_begin(sum, 0);
        int r = sum_values(sum, fd, names, n);
        if (r == 0)
                return mf_content_sum_finish(sum, ret);
        return r == -EACCES ? 0 : r; /* the file's mode keeps its owner out, now as at any later look */
}
