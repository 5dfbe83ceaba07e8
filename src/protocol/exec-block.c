/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/fd.h"

void mf_words_add(struct mf_word_list *list, enum mf_word tag, const char *string)
{
        size_t length = strlen(string) + 1, needed = list->size + 1 + length;

        if (list->failed)
                return;
        if (needed > list->allocated) {
                size_t allocated = needed * 2;
                char *grown = realloc(list->data, allocated);
                if (!grown) {
                        list->failed = 1;
                        return;
                }
                list->data = grown;
                list->allocated = allocated;
        }
        list->data[list->size] = (char) tag;
        memcpy(list->data + list->size + 1, string, length);
        list->size = needed;
}

void mf_words_add_all(struct mf_word_list *list, enum mf_word tag, char *const *strings)
{
        for (; strings && *strings; strings++)
                mf_words_add(list, tag, *strings);
}

void mf_words_clear(struct mf_word_list *list)
{
        free(list->data);
        *list = (struct mf_word_list){ 0 };
}

int mf_words_finish(struct mf_word_list *list, int *ret)
{
        int r = list->failed ? -ENOMEM : 0;
        int fd = r == 0 ? memfd_create("mayfly-words", MFD_CLOEXEC) : -1;

        if (r == 0 && fd < 0)
                r = -errno;
        for (size_t done = 0; r == 0 && done < list->size;) {
                ssize_t n = write(fd, list->data + done, list->size - done);
                if (n > 0)
                        done += (size_t) n;
                else if (n < 0 && errno != EINTR)
                        r = -errno;
        }
        mf_words_clear(list);
        if (r < 0) {
                mf_close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

int mf_env_check(const char *const *env, const char *what, enum mayfly_stage stage, struct mayfly_error *err)
{
        for (; env && *env; env++)
                if (!strchr(*env, '=') || **env == '=')
                        return mf_error(err, -EINVAL, stage, "%s has \"%.200s\", which is not of the form NAME=value",
                                        what, *env);
        return 0;
}
