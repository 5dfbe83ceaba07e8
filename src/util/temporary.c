/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define PREFIX "mayfly-work-"
#define NAME PREFIX "XXXXXX"

static const char *place(void)
{
        const char *chosen = getenv("TMPDIR");

        if (chosen && *chosen)
                return chosen;
        return access("/var/tmp", F_OK) == 0 ? "/var/tmp" : "/tmp";
}

/* Makes a file without a name in the directory. Returns a descriptor or negative errno. */
static int make_unnamed(const char *directory)
{
        char path[PATH_MAX];

        int fd = open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
                return fd >= 0 ? fd : -errno;
        if ((size_t) snprintf(path, sizeof(path), "%s/mayfly-XXXXXX", directory) >= sizeof(path))
                return -ENAMETOOLONG;
        fd = mkostemp(path, O_CLOEXEC); /* not every file system can do without a name */
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        return fd;
}

int mf_temporary_file(const char **ret_directory)
{
        *ret_directory = place();
        return make_unnamed(*ret_directory);
}

/* --- directories ------------------------------------------------------------------------------------------------- */

/* Opens and locks a directory of this user. Returns a descriptor, or -1: it is in use, gone, or another's. */
static int take(int parent, const char *name)
{
        mf_cleanup(mf_closep) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        struct stat taken, there;

        if (fd < 0 || fstat(fd, &taken) < 0 || taken.st_uid != geteuid() || flock(fd, LOCK_EX | LOCK_NB) < 0)
                return -1;
        /* Only now nobody else removes it. */
        if (fstatat(parent, name, &there, AT_SYMLINK_NOFOLLOW) < 0 || there.st_ino != taken.st_ino ||
            there.st_dev != taken.st_dev)
                return -1;
        return mf_take_fd(&fd);
}

static void sweep(int parent)
{
        int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir)
                mf_close(fd);
        for (const struct dirent *entry; dir && (entry = readdir(dir));) {
                if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 || strlen(entry->d_name) != strlen(NAME))
                        continue;
                mf_cleanup(mf_closep) int stale = take(parent, entry->d_name);
                if (stale >= 0)
                        (void) mf_remove_tree(parent, entry->d_name);
        }
        if (dir)
                closedir(dir);
}

void mf_temporary_sweep(void)
{
        mf_cleanup(mf_closep) int parent = open(place(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (parent >= 0)
                sweep(parent);
}

/* Makes one in the directory of this absolute path. Returns 0, -EAGAIN when a sweep came between, or another negative errno. */
static int try_make(struct mf_temporary *temporary, const char *directory)
{
        if (snprintf(temporary->path, sizeof(temporary->path), "%s/" NAME, directory) >= (int) sizeof(temporary->path))
                return -ENAMETOOLONG;
        if (!mkdtemp(temporary->path))
                return -errno;
        temporary->fd = take(AT_FDCWD, temporary->path);
        if (temporary->fd >= 0)
                return 0;
        (void) rmdir(temporary->path);
        return -EAGAIN;
}

int mf_temporary_make(struct mf_temporary *ret, const char **ret_directory)
{
        int r = -EAGAIN;

        ret->fd = -1;
        *ret_directory = place();
        mf_cleanup(mf_freep) char *directory = realpath(*ret_directory, NULL);
        if (!directory)
                return -errno;
        mf_temporary_sweep();
        for (unsigned tries = 0; tries < 100 && r == -EAGAIN; tries++)
                r = try_make(ret, directory);
        return r;
}

void mf_temporary_remove(struct mf_temporary *temporary)
{
        if (temporary->fd >= 0)
                (void) mf_remove_tree(AT_FDCWD, temporary->path);
        temporary->fd = mf_close(temporary->fd);
}
