/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/directory.h"
#include "store/record.h"
#include "util/buffer.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"

void mf_store_images_clear(struct mf_store_images *images)
{
        free(images->id);
        *images = (struct mf_store_images){ 0 };
}

int mf_store_images_each(const struct mf_store_images *images, int (*one)(void *userdata, const char *id),
                         void *userdata)
{
        int result = 0;

        for (size_t i = 0; i < images->n && result != -ECANCELED; i++) {
                int r = one(userdata, images->id[i]);
                if (r == -ECANCELED || (r < 0 && result == 0))
                        result = r;
        }
        return result;
}

static int compare(const void *a, const void *b)
{
        return strcmp(a, b);
}

static int add(struct mf_store_images *images, const char *id)
{
        char(*grown)[MF_ID_LENGTH + 1] = mf_grow(images->id, images->n, &images->allocated, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        images->id = grown;
        strcpy(grown[images->n++], id); /* it is an ID, which has that length at most */
        return 0;
}

int mf_store_list(int store, const char *directory, struct mf_store_images *ret)
{
        struct mf_store_images images = { 0 };
        int fd = openat(store, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                r = errno == ENOENT ? 0 : -errno;
                mf_close(fd);
                *ret = images;
                return r;
        }
        errno = 0;
        for (const struct dirent *entry; r == 0 && (entry = readdir(dir)); errno = 0)
                if (mf_store_is_id(entry->d_name))
                        r = add(&images, entry->d_name);
        if (r == 0 && errno)
                r = -errno;
        closedir(dir);
        if (r < 0) {
                mf_store_images_clear(&images);
                return r;
        }
        if (images.n > 0)
                qsort(images.id, images.n, sizeof(*images.id), compare);
        *ret = images;
        return 0;
}

int mf_store_is_later(struct timespec a, struct timespec b)
{
        return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

int mf_store_look_at(int store, const char *id, struct mf_stored *ret, int *ret_fd)
{
        char name[MF_ID_LENGTH + 16];
        struct mf_record_summary summary = { 0 };
        const char *why;
        struct stat st;

        snprintf(name, sizeof(name), "%s/%s", MF_IMAGES, id);
        mf_cleanup(mf_closep) int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        int whole = mf_record_peek(fd, &summary, &why) == 0;
        *ret = (struct mf_stored){ .used = st.st_mtim,
                                   .whole = whole,
                                   .bytes = whole ? summary.bytes : mf_tree_bytes(store, name) };
        *ret_fd = mf_take_fd(&fd);
        return 0;
}

void mf_description_clear(struct mf_description *description)
{
        free(description->name);
        mf_strv_free(description->labels);
        *description = (struct mf_description){ 0 };
}
