/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/xattr.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define BLOCK ((size_t) 64 * 1024)
#define DEPTH_MAX 400U

/* A folder on its way into the archive. */
struct walk {
        struct mf_writer *writer;
        const struct mf_rewrite *rewrite;
        dev_t device;
        void *links; /* a tree of struct link */
        char *block;
        char path[PATH_MAX + 8]; /* "rootfs/..." of what is being looked at */
        struct mayfly_error *err;
};

/* A file of more names than one, and the first of them. */
struct link {
        ino_t inode;
        char path[];
};

/* --- one file */

static int failed(const struct walk *walk, int r, const char *what)
{
        return mf_error_errno(walk->err, r, MAYFLY_STAGE_ARCHIVE, "%s %s", what, walk->path);
}

static int changed(const struct walk *walk)
{
        return mf_error(walk->err, -EBUSY, MAYFLY_STAGE_ARCHIVE,
                        "%s changed while it was read; build again when nobody writes there", walk->path);
}

static int compare_links(const void *a, const void *b)
{
        const struct link *one = a, *other = b;

        return one->inode < other->inode ? -1 : one->inode > other->inode;
}

/* The name that the file has got already, or NULL: then it has this one. */
static int find_link(struct walk *walk, const struct stat *st, const char **ret)
{
        *ret = NULL;
        if (S_ISDIR(st->st_mode) || st->st_nlink < 2)
                return 0;
        struct link *link = malloc(sizeof(*link) + strlen(walk->path) + 1), **found;
        if (link) {
                link->inode = st->st_ino;
                strcpy(link->path, walk->path);
        }
        found = link ? tsearch(link, &walk->links, compare_links) : NULL;
        if (!found) {
                free(link);
                return mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
        }
        if (*found != link) {
                *ret = (*found)->path;
                free(link);
        }
        return 0;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int add_xattrs(struct walk *walk, int fd)
{
        mf_cleanup(mf_freep) char *names = NULL;
        mf_cleanup(mf_freep) char **sorted = NULL;
        size_t n = 0;
        ssize_t size = flistxattr(fd, NULL, 0);

        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : failed(walk, -errno, "the attributes of");
        names = malloc((size_t) size);
        sorted = calloc((size_t) size, sizeof(char *));
        if (!names || !sorted)
                return mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
        size = flistxattr(fd, names, (size_t) size);
        for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1)
                if (mf_xattr_is_kept(name))
                        sorted[n++] = name;
        qsort(sorted, n, sizeof(char *), compare_names);
        for (size_t i = 0; i < n; i++) {
                static const size_t max = 65536; /* XATTR_SIZE_MAX */
                ssize_t length = fgetxattr(fd, sorted[i], walk->block, max);
                if (length < 0)
                        return failed(walk, -errno, "the attributes of");
                mf_writer_xattr(walk->writer, sorted[i], walk->block, (size_t) length);
        }
        return 0;
}

static int add_data(struct walk *walk, int fd, const struct stat *st)
{
        struct stat after;
        off_t done = 0;

        for (;;) {
                ssize_t n = read(fd, walk->block, BLOCK);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(walk, -errno, "reading");
                if (n == 0)
                        break;
                done += n;
                if (done > st->st_size)
                        return changed(walk);
                int r = mf_writer_data(walk->writer, walk->block, (size_t) n, walk->err);
                if (r < 0)
                        return r;
        }
        if (done != st->st_size || fstat(fd, &after) < 0 || after.st_mtim.tv_sec != st->st_mtim.tv_sec ||
            after.st_mtim.tv_nsec != st->st_mtim.tv_nsec || after.st_size != st->st_size)
                return changed(walk);
        return 0;
}

/* What a header says of it, by what the options say of all. */
static struct stat as_built(const struct walk *walk, const struct stat *st)
{
        struct stat built = *st;

        if (walk->rewrite->owner_root)
                built.st_uid = built.st_gid = 0;
        if (built.st_mtim.tv_sec > walk->rewrite->latest)
                built.st_mtim.tv_sec = (time_t) walk->rewrite->latest;
        return built;
}

static int add_folder(struct walk *walk, int fd, unsigned depth);

static int add_entry(struct walk *walk, int parent, const char *name, unsigned depth)
{
        char target[PATH_MAX] = "", proc[64];
        const char *hardlink = NULL;
        struct stat st;

        mf_cleanup(mf_closep) int path_fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        mf_cleanup(mf_closep) int fd = -1;
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return failed(walk, -errno, "looking at");
        if (st.st_dev != walk->device)
                return mf_error(walk->err, -EXDEV, MAYFLY_STAGE_ARCHIVE,
                                "%s is on another file system, which is mounted there; unmount it first", walk->path);
        if (S_ISSOCK(st.st_mode))
                return mf_error(walk->err, -EINVAL, MAYFLY_STAGE_ARCHIVE,
                                "%s is a socket, which no archive can hold; remove it", walk->path);
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
        if (S_ISLNK(st.st_mode) && readlinkat(path_fd, "", target, sizeof(target) - 1) < 0)
                return failed(walk, -errno, "the link");
        if (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) {
                fd = open(proc, O_RDONLY | O_CLOEXEC | O_NOATIME);
                if (fd < 0 && errno == EPERM) /* not our file */
                        fd = open(proc, O_RDONLY | O_CLOEXEC);
                if (fd < 0)
                        return failed(walk, -errno, "opening");
        }
        const struct stat built = as_built(walk, &st);
        int r = find_link(walk, &st, &hardlink);
        if (r == 0)
                r = mf_writer_begin(walk->writer, walk->path, &built, S_ISLNK(st.st_mode) ? target : NULL, hardlink,
                                    walk->err);
        if (r == 0 && !hardlink && fd >= 0) /* nothing else has any of those that are kept */
                r = add_xattrs(walk, fd);
        if (r == 0)
                r = mf_writer_put(walk->writer, walk->err);
        if (r == 0 && S_ISREG(st.st_mode) && !hardlink)
                r = add_data(walk, fd, &st);
        return r == 0 && S_ISDIR(st.st_mode) ? add_folder(walk, fd, depth + 1) : r;
}

/* --- a folder */

static int list_folder(struct walk *walk, int fd, char ***ret, size_t *ret_n)
{
        mf_cleanup(mf_closep) int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t n = 0, allocated = 0;
        char **names = NULL;
        DIR *dir = own >= 0 ? fdopendir(own) : NULL;
        int r = 0;

        if (!dir)
                return failed(walk, -errno, "listing");
        (void) mf_take_fd(&own); /* closedir() closes it */
        while (r == 0) {
                errno = 0;
                const struct dirent *entry = readdir(dir);
                if (!entry && errno)
                        r = failed(walk, -errno, "listing");
                if (!entry)
                        break;
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (n == allocated) {
                        char **grown = realloc(names, (allocated = allocated * 2 + 16) * sizeof(char *));
                        if (!grown) {
                                r = mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
                                break;
                        }
                        names = grown;
                }
                names[n] = strdup(entry->d_name);
                if (!names[n++])
                        r = mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
        }
        closedir(dir);
        if (n > 0 && r == 0)
                qsort(names, n, sizeof(char *), compare_names);
        *ret = names;
        *ret_n = n;
        return r;
}

static int add_folder(struct walk *walk, int fd, unsigned depth)
{
        size_t n = 0, length = strlen(walk->path);
        char **names = NULL;

        if (depth > DEPTH_MAX)
                return mf_error(walk->err, -ELOOP, MAYFLY_STAGE_ARCHIVE, "%.200s... is more than %u folders deep",
                                walk->path, DEPTH_MAX);
        int r = list_folder(walk, fd, &names, &n);
        for (size_t i = 0; r == 0 && i < n; i++) {
                if (length + 1 + strlen(names[i]) >= PATH_MAX)
                        r = mf_error(walk->err, -ENAMETOOLONG, MAYFLY_STAGE_ARCHIVE,
                                     "%.200s...: a path there is too long", walk->path);
                else
                        snprintf(walk->path + length, sizeof(walk->path) - length, "/%s", names[i]);
                if (r == 0)
                        r = add_entry(walk, fd, names[i], depth);
                walk->path[length] = '\0';
        }
        for (size_t i = 0; i < n; i++)
                free(names[i]);
        free(names);
        return r;
}

int mf_rootfs_add(struct mf_writer *writer, const char *rootfs, const struct mf_rewrite *rewrite,
                  struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(rootfs, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the root file system %s", rootfs);
        if (!S_ISDIR(st.st_mode))
                return mf_writer_copy_tar(writer, fd, rewrite, err);
        struct walk *walk = calloc(1, sizeof(*walk));
        if (walk)
                walk->block = malloc(BLOCK);
        if (!walk || !walk->block) {
                free(walk);
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        }
        walk->writer = writer;
        walk->rewrite = rewrite;
        walk->device = st.st_dev;
        walk->err = err;
        strcpy(walk->path, "rootfs");
        int r = add_entry(walk, fd, ".", 0);
        tdestroy(walk->links, free);
        free(walk->block);
        free(walk);
        return r;
}
