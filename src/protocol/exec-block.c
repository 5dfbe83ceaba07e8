/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/exec-block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/fd.h"

void mf_exec_block_add(struct mf_exec_block *block, enum mf_exec_tag tag, const char *string)
{
        size_t length = strlen(string) + 1, needed = block->size + 1 + length;

        if (block->failed)
                return;
        if (needed > block->allocated) {
                size_t allocated = needed * 2;
                char *grown = realloc(block->data, allocated);
                if (!grown) {
                        block->failed = 1;
                        return;
                }
                block->data = grown;
                block->allocated = allocated;
        }
        block->data[block->size] = (char) tag;
        memcpy(block->data + block->size + 1, string, length);
        block->size = needed;
}

void mf_exec_block_add_all(struct mf_exec_block *block, enum mf_exec_tag tag, char *const *strings)
{
        for (; strings && *strings; strings++)
                mf_exec_block_add(block, tag, *strings);
}

void mf_exec_block_clear(struct mf_exec_block *block)
{
        free(block->data);
        *block = (struct mf_exec_block){ 0 };
}

int mf_exec_block_finish(struct mf_exec_block *block, int *ret)
{
        int r = block->failed ? -ENOMEM : 0;
        int fd = r == 0 ? memfd_create("mayfly-exec-block", MFD_CLOEXEC) : -1;

        if (r == 0 && fd < 0)
                r = -errno;
        if (r == 0)
                r = mf_write_full(fd, block->data, block->size);
        mf_exec_block_clear(block);
        if (r < 0) {
                mf_close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}
