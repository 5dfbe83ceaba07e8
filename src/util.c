/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int mf_close(int fd)
{
        if (fd >= 0) {
                int saved = errno;
                close(fd);
                errno = saved;
        }
        return -1;
}

uint64_t mf_now_us(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t) now.tv_sec * 1000000U + (uint64_t) now.tv_nsec / 1000U;
}

static int remove_children(int fd, dev_t device, unsigned depth);

static int remove_entry(int dirfd, const char *name, dev_t device, unsigned depth)
{
        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;

        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
                fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        int r = remove_children(fd, device, depth + 1); /* closes fd */
        if (r < 0)
                return r;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}

/* Owns fd. */
static int remove_children(int fd, dev_t device, unsigned depth)
{
        struct stat st;

        if (depth > 512) { /* each level holds a descriptor */
                mf_close(fd);
                return -ELOOP;
        }
        if (fstat(fd, &st) < 0 || (device && st.st_dev != device)) {
                mf_close(fd);
                return -EXDEV;
        }
        if ((st.st_mode & 0700) != 0700)
                (void) fchmod(fd, 0700);

        DIR *dir = fdopendir(fd);
        if (!dir) {
                int r = -errno;
                mf_close(fd);
                return r;
        }

        int result = 0;
        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int r = remove_entry(fd, entry->d_name, st.st_dev, depth);
                if (r < 0 && result == 0)
                        result = r;
        }
        closedir(dir);
        return result;
}

int mf_remove_tree(int dirfd, const char *name)
{
        return remove_entry(dirfd, name, 0, 0);
}

uint64_t mf_tree_bytes(int dirfd, const char *name)
{
        struct stat st;
        uint64_t bytes;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        bytes = (uint64_t) st.st_blocks * 512U / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
        if (!S_ISDIR(st.st_mode))
                return bytes;
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                mf_close(fd);
                return bytes;
        }
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        bytes += mf_tree_bytes(fd, entry->d_name);
        closedir(dir);
        return bytes;
}

int mf_mkdir_p(const char *path)
{
        mf_cleanup(mf_freep) char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = copy + 1; *copy; p++) {
                if (*p && *p != '/')
                        continue;
                char saved = *p;
                *p = '\0';
                if (mkdir(copy, 0700) < 0 && errno != EEXIST)
                        return -errno;
                *p = saved;
                if (!saved)
                        break;
        }
        return 0;
}
