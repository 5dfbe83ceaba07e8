/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/macro.h"
#include "util/valgrind.h"

/* Each level of a tree holds a descriptor while the levels below it are removed. A directory that lies deeper than this
 * is first moved to the top of the tree, and removed from there. */
#define DEPTH_MAX 64U

struct removal {
        dev_t device;
        int top;        /* the top directory of the tree, -1 before it is open */
        unsigned moved; /* how many directories were moved up to it */
};

static int remove_children(struct removal *removal, int fd, unsigned depth);

static int move_up(struct removal *removal, int dirfd, const char *name)
{
        char up[32];

        (void) fchmodat(dirfd, name, 0700,
                        AT_SYMLINK_NOFOLLOW); /* the move writes to the directory: its ".." changes */
        for (;;) {
                snprintf(up, sizeof(up), ".deep-%u", removal->moved++);
                if (renameat2(dirfd, name, removal->top, up, RENAME_NOREPLACE) == 0)
                        return 0;
                if (errno != EEXIST)
                        return -errno;
        }
}

static int remove_entry(struct removal *removal, int dirfd, const char *name, unsigned depth)
{
        if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR && errno != EPERM)
                return -errno;
        if (depth > DEPTH_MAX)
                return move_up(removal, dirfd, name);

        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 && errno == EACCES && fchmodat(dirfd, name, 0700, 0) == 0)
                fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;

        int r = remove_children(removal, fd, depth + 1); /* closes fd */
        if (r < 0)
                return r;
        if (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
                return -errno;
        return 0;
}

static int remove_each(struct removal *removal, DIR *dir, unsigned depth)
{
        int result = 0;

        for (const struct dirent *entry; (entry = readdir(dir));) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                int r = remove_entry(removal, dirfd(dir), entry->d_name, depth);
                if (r < 0 && result == 0)
                        result = r;
        }
        return result;
}

/* Owns fd. */
static int remove_children(struct removal *removal, int fd, unsigned depth)
{
        struct stat st;

        if (fstat(fd, &st) < 0 || (removal->top >= 0 && st.st_dev != removal->device)) {
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
        if (removal->top < 0) {
                removal->device = st.st_dev;
                removal->top = fd;
        }
        unsigned moved;
        int r;
        do { /* starts at the top again as long as directories were moved there */
                moved = removal->moved;
                r = remove_each(removal, dir, depth);
                if (removal->top == fd)
                        rewinddir(dir);
        } while (r == 0 && removal->top == fd && moved != removal->moved);
        closedir(dir);
        return r;
}

int mf_remove_tree(int dirfd, const char *name)
{
        struct removal removal = { .top = -1 };

        return remove_entry(&removal, dirfd, name, 0);
}

static uint64_t tree_bytes(int dirfd, const char *name, unsigned depth)
{
        struct stat st;
        uint64_t bytes;

        if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        bytes = (uint64_t) st.st_blocks * 512U / (S_ISDIR(st.st_mode) || !st.st_nlink ? 1 : st.st_nlink);
        if (!S_ISDIR(st.st_mode) || depth > DEPTH_MAX)
                return bytes;
        int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                mf_close(fd);
                return bytes;
        }
        for (const struct dirent *entry; (entry = readdir(dir));)
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        bytes += tree_bytes(fd, entry->d_name, depth + 1);
        closedir(dir);
        return bytes;
}

uint64_t mf_tree_bytes(int dirfd, const char *name)
{
        return tree_bytes(dirfd, name, 0);
}

static int is_link(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
}

/* Does what mf_open_beneath() does, without openat2(). */
static int open_stepwise(int dirfd, const char *path, int flags)
{
        mf_cleanup(mf_closep) int above = -1;
        char name[NAME_MAX + 1];

        for (;;) {
                path += strspn(path, "/");
                const size_t length = strcspn(path, "/");
                if (length > NAME_MAX)
                        return -ENAMETOOLONG;
                snprintf(name, sizeof(name), "%.*s", length ? (int) length : 1, length ? path : ".");
                if (strcmp(name, "..") == 0)
                        return -EXDEV;
                const int at = above >= 0 ? above : dirfd, is_last = path[length] == '\0';
                int fd = openat(at, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
                if (fd < 0)
                        return -errno;
                const int is_refused = is_link(fd) && !(is_last && (flags & O_NOFOLLOW));
                if (is_refused || is_last) {
                        mf_close(fd);
                        fd = is_refused ? -1 : openat(at, name, flags | O_NOFOLLOW | O_CLOEXEC);
                        return is_refused ? -ELOOP : fd < 0 ? -errno : fd;
                }
                mf_close(above);
                above = fd;
                path += length;
        }
}

int mf_open_beneath(int dirfd, const char *path, int flags)
{
        if (mf_under_valgrind())
                return *path == '/' ? -EXDEV : open_stepwise(dirfd, path, flags);
        struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC,
                                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
        int fd = (int) syscall(SYS_openat2, dirfd, path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

int mf_open_in_root(int root, const char *path, int flags)
{
        const struct open_how how = { .flags = (uint64_t) flags | O_CLOEXEC,
                                      .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS };

        for (int i = 0; i < 100; i++) { /* EAGAIN: somebody renames directories on the way */
                int fd = (int) syscall(SYS_openat2, root, path, &how, sizeof(how));
                if (fd >= 0)
                        return fd;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
        }
        return -EAGAIN;
}

int mf_read_file_at(int dirfd, const char *name, size_t max, char **ret, size_t *ret_size)
{
        mf_cleanup(mf_closep) int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        if ((uint64_t) st.st_size > max)
                return -EFBIG;
        mf_cleanup(mf_freep) char *text = malloc((size_t) st.st_size + 1);
        if (!text)
                return -ENOMEM;
        ssize_t n = mf_read_full(fd, text, (size_t) st.st_size);
        if (n < st.st_size)
                return n < 0 ? (int) n : -EIO; /* the file became shorter meanwhile */
        text[n] = '\0';
        *ret = mf_take(text);
        *ret_size = (size_t) n;
        return 0;
}

int mf_mkdir_private(int dirfd, const char *name)
{
        struct stat st;

        if (mkdirat(dirfd, name, 0700) < 0 || fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return (st.st_mode & 0700) == 0700 || fchmodat(dirfd, name, 0700, 0) == 0 ? 0 : -errno;
}

int mf_ensure_mode(int fd, mode_t mode)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        return (st.st_mode & mode) == mode || fchmod(fd, mode) == 0 ? 0 : -errno;
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
                int r = mf_mkdir_private(AT_FDCWD, copy);
                if (r < 0 && r != -EEXIST)
                        return r;
                *p = saved;
                if (!saved)
                        break;
        }
        return 0;
}
