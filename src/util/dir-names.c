/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/dir-names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int read_names(DIR *dir, size_t max, struct mf_strings *names)
{
        int r = 0;

        while (r == 0) {
                errno = 0;
                const struct dirent *entry = readdir(dir);
                if (!entry)
                        return -errno;
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = names->n < max ? mf_strings_add(names, strdup(entry->d_name)) : -EFBIG;
        }
        return r;
}

int mf_dir_names_up_to(int fd, size_t max, char ***ret)
{
        mf_cleanup(mf_closep) int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mf_cleanup(mf_strings_clear) struct mf_strings names = { 0 };
        DIR *dir = own >= 0 ? fdopendir(own) : NULL;

        if (!dir)
                return -errno;
        (void) mf_take_fd(&own); /* closedir() closes it */
        int r = read_names(dir, max, &names);
        closedir(dir);
        if (r == 0 && !names.list)
                names.list = calloc(1, sizeof(char *));
        if (r < 0 || !names.list)
                return r < 0 ? r : -ENOMEM;
        qsort(names.list, names.n, sizeof(char *), compare_names);
        *ret = mf_take(names.list);
        return 0;
}

int mf_dir_names(int fd, char ***ret)
{
        return mf_dir_names_up_to(fd, SIZE_MAX, ret);
}
