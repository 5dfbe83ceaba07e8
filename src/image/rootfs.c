/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "archive/sparse.h"
#include "archive/xattr.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define BLOCK ((size_t) 64 * 1024)
#define DEPTH_MAX 400U
#define HOLES_MIN ((uint64_t) 1024 * 1024) /* of zeros that are worth a map */

/* A directory that is being written into the archive. */
struct walk {
        struct mf_writer *writer;
        struct mf_rewrite *rewrite;
        dev_t device;
        void *links; /* a tree of struct link */
        char *block;
        char path[PATH_MAX + 8]; /* of the file that is being written, "rootfs/..." */
        struct mayfly_error *err;
};

/* A file that has hard links, and its first name. */
struct link {
        ino_t inode;
        char path[];
};

/* --- one file */

/* Says that a part of the current file cannot be read, for the error `r`, and returns that. */
static int failed(const struct walk *walk, int r, const char *what)
{
        return mf_error_errno(walk->err, r, MAYFLY_STAGE_ARCHIVE, "the %s of %s cannot be read", what, walk->path);
}

/* Says that the current file was changed by somebody. Returns -EBUSY. */
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

/* Sets *ret to the name under which the current file is in the archive already, or to NULL; then it gets its current name. Returns
 * 0 or -ENOMEM. */
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

/* The extended attributes of one file. */
struct attributes {
        char *names;
        struct mf_xattr *list;
        size_t n;
};

static void clear_attributes(struct attributes *attributes)
{
        for (size_t i = 0; i < attributes->n; i++)
                free((void *) (uintptr_t) attributes->list[i].value);
        free(attributes->list);
        free(attributes->names);
}

static int compare_attributes(const void *a, const void *b)
{
        return strcmp(((const struct mf_xattr *) a)->name, ((const struct mf_xattr *) b)->name);
}

/* Reads the value of one attribute. */
static int read_attribute(struct walk *walk, int fd, struct mf_xattr *xattr)
{
        ssize_t length = fgetxattr(fd, xattr->name, walk->block, XATTR_SIZE_MAX);

        if (length < 0)
                return failed(walk, -errno, "extended attributes");
        void *value = malloc((size_t) length + 1);
        if (!value)
                return mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
        xattr->value = memcpy(value, walk->block, (size_t) length);
        xattr->size = (size_t) length;
        return 0;
}

/* Reads those attributes that images keep, sorted by name. */
static int read_attributes(struct walk *walk, int fd, struct attributes *ret)
{
        ssize_t size = flistxattr(fd, NULL, 0);

        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : failed(walk, -errno, "extended attributes");
        ret->names = malloc((size_t) size);
        ret->list = calloc((size_t) size, sizeof(*ret->list));
        if (!ret->names || !ret->list)
                return mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE);
        size = flistxattr(fd, ret->names, (size_t) size);
        for (char *name = ret->names; size > 0 && name < ret->names + size; name += strlen(name) + 1)
                if (mf_xattr_is_kept(name))
                        ret->list[ret->n++].name = name;
        qsort(ret->list, ret->n, sizeof(*ret->list), compare_attributes);
        int r = 0;
        for (size_t i = 0; i < ret->n && r == 0; i++)
                r = read_attribute(walk, fd, &ret->list[i]);
        return r;
}

/* --- ACLs, which no image keeps */

#define ACL_GROUP 0x04 /* tags of linux/posix_acl.h */
#define ACL_MASK 0x10

/* Returns what an ACL lets the file's own group do. A mode has the ACL's mask in the place of these bits, and may be wider. An ACL
 * is a version of 4 bytes, and for each entry a tag and permissions of 2 bytes each, and an ID of 4. */
static unsigned group_of_acl(const unsigned char *acl, size_t size, unsigned group)
{
        for (size_t i = 4; i + 8 <= size; i += 8) {
                unsigned tag = acl[i] | (unsigned) acl[i + 1] << 8;
                if (tag == ACL_GROUP || tag == ACL_MASK)
                        group &= acl[i + 2];
        }
        return group;
}

/* Notes that the file has ACLs, and narrows the entry's mode to what they allow. */
static int take_acls(struct walk *walk, int fd, struct mf_entry *entry)
{
        unsigned char *acl = (unsigned char *) walk->block;
        ssize_t size = fgetxattr(fd, "system.posix_acl_access", acl, BLOCK);
        int has = size > 0;

        if (size > 0)
                entry->mode = (entry->mode & ~(mode_t) 070) | group_of_acl(acl, (size_t) size, (entry->mode >> 3) & 7)
                                                                      << 3;
        else if (size < 0 && errno != ENODATA && errno != ENOTSUP)
                return failed(walk, -errno, "ACL");
        if (S_ISDIR(entry->mode))
                has |= fgetxattr(fd, "system.posix_acl_default", NULL, 0) > 0;
        return has && mf_rewrite_note_acl(walk->rewrite, walk->path) < 0 ? mf_error_oom(walk->err, MAYFLY_STAGE_ARCHIVE)
                                                                         : 0;
}

/* --- data */

/* Reads as much as there is at `offset`, up to `size` bytes, into the block. Returns how many, or negative errno. */
static ssize_t read_at(const struct walk *walk, int fd, uint64_t offset, size_t size)
{
        size_t done = 0;

        while (done < size) {
                ssize_t n = pread(fd, walk->block + done, size - done, (off_t) (offset + done));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return failed(walk, -errno, "content");
                if (n == 0)
                        break;
                done += (size_t) n;
        }
        return (ssize_t) done;
}

static int is_zero(const char *data, size_t size)
{
        return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

/* Adds a block to the map, to the last segment if it adjoins that. */
static int add_block(struct mf_sparse *map, uint64_t offset, size_t size)
{
        if (map->n == 0 || mf_sparse_end(map) != offset)
                return mf_sparse_add(map, offset, size);
        map->list[map->n - 1].size += size;
        return 0;
}

/* Adds all blocks to the map that are not all zeros. The map depends on the content alone, so that copies of a file become the same
 * bytes; the holes that the file system has only spare the reading. */
static int find_data(struct walk *walk, int fd, uint64_t size, struct mf_sparse *map)
{
        for (uint64_t at = 0; at < size; at += BLOCK) {
                off_t data = lseek(fd, (off_t) at, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        return 0;
                if (data > 0)
                        at = (uint64_t) data / BLOCK * BLOCK;
                ssize_t n = read_at(walk, fd, at, BLOCK);
                if (n <= 0)
                        return n < 0 ? (int) n : changed(walk);
                int r = is_zero(walk->block, (size_t) n) ? 0 : add_block(map, at, (size_t) n);
                if (r < 0)
                        return mf_error_errno(walk->err, r, MAYFLY_STAGE_ARCHIVE, "the holes of %s cannot be listed",
                                              walk->path);
        }
        return 0;
}

/* Fills `map` and returns 1 when the file has enough zeros to leave them out, else 0. */
static int find_holes(struct walk *walk, int fd, uint64_t size, struct mf_sparse *map)
{
        int r = size >= HOLES_MIN ? find_data(walk, fd, size, map) : 0;

        return r < 0 ? r : size >= HOLES_MIN && size - mf_sparse_bytes(map) >= HOLES_MIN;
}

/* Writes a part of a file's data. */
static int add_segment(struct walk *walk, int fd, uint64_t offset, uint64_t size)
{
        while (size > 0) {
                ssize_t n = read_at(walk, fd, offset, size < BLOCK ? (size_t) size : BLOCK);
                if (n <= 0)
                        return n < 0 ? (int) n : changed(walk);
                int r = mf_writer_data(walk->writer, walk->block, (size_t) n, walk->err);
                if (r < 0)
                        return r;
                offset += (uint64_t) n;
                size -= (uint64_t) n;
        }
        return 0;
}

/* Writes a file's data, which must not have changed meanwhile; `map` is of a sparse file, or NULL. */
static int add_data(struct walk *walk, int fd, const struct stat *st, const struct mf_sparse *map)
{
        struct stat after;
        int r = map ? 0 : add_segment(walk, fd, 0, (uint64_t) st->st_size);

        for (size_t i = 0; map && r == 0 && i < map->n; i++)
                r = add_segment(walk, fd, map->list[i].offset, map->list[i].size);
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0 || after.st_mtim.tv_sec != st->st_mtim.tv_sec ||
            after.st_mtim.tv_nsec != st->st_mtim.tv_nsec || after.st_size != st->st_size)
                return changed(walk);
        return 0;
}

static int add_directory(struct walk *walk, int fd, unsigned depth);

/* Opens a regular file or a directory, which have attributes or data. Leaves *ret as it is for others. */
static int open_content(struct walk *walk, int path_fd, const struct stat *st, int *ret)
{
        char proc[64];

        if (!S_ISDIR(st->st_mode) && !S_ISREG(st->st_mode))
                return 0;
        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
        *ret = open(proc, O_RDONLY | O_CLOEXEC | O_NOATIME);
        if (*ret < 0 && errno == EPERM) /* another user's file */
                *ret = open(proc, O_RDONLY | O_CLOEXEC);
        return *ret < 0 ? failed(walk, -errno, "content") : 0;
}

/* Writes a file with its data, or a directory without what is in it. */
static int add_content(struct walk *walk, int fd, const struct stat *st, struct mf_entry *entry)
{
        struct attributes attributes = { 0 };
        struct mf_sparse map = { 0 };

        int r = read_attributes(walk, fd, &attributes);
        if (r == 0)
                r = take_acls(walk, fd, entry);
        entry->xattrs = attributes.list;
        entry->n_xattrs = attributes.n;
        if (r == 0 && S_ISREG(st->st_mode))
                r = find_holes(walk, fd, (uint64_t) st->st_size, &map);
        entry->sparse = r > 0 ? &map : NULL;
        if (r >= 0)
                r = mf_writer_put(walk->writer, entry, walk->err);
        if (r == 0 && S_ISREG(st->st_mode))
                r = add_data(walk, fd, st, entry->sparse);
        entry->sparse = NULL; /* the map is freed here */
        clear_attributes(&attributes);
        mf_sparse_clear(&map);
        return r;
}

/* Writes the file `name` in the directory `parent`, and all that is below it. */
static int add_entry(struct walk *walk, int parent, const char *name, unsigned depth)
{
        char target[PATH_MAX] = "";
        struct stat st;

        mf_cleanup(mf_closep) int path_fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        mf_cleanup(mf_closep) int fd = -1;
        if (path_fd < 0 || fstat(path_fd, &st) < 0)
                return failed(walk, -errno, "status");
        if (st.st_dev != walk->device)
                return mf_error(walk->err, -EXDEV, MAYFLY_STAGE_ARCHIVE,
                                "%s is on another file system, which is mounted there; unmount it first", walk->path);
        if (S_ISSOCK(st.st_mode))
                return mf_error(walk->err, -EINVAL, MAYFLY_STAGE_ARCHIVE,
                                "%s is a socket, which no archive can hold; remove it", walk->path);
        if (S_ISLNK(st.st_mode) && readlinkat(path_fd, "", target, sizeof(target) - 1) < 0)
                return failed(walk, -errno, "target");
        struct mf_entry entry = { .name = walk->path,
                                  .symlink = S_ISLNK(st.st_mode) ? target : NULL,
                                  .mode = st.st_mode,
                                  .uid = st.st_uid,
                                  .gid = st.st_gid,
                                  .rdev = st.st_rdev,
                                  .mtime = st.st_mtim,
                                  .size = S_ISREG(st.st_mode) ? (uint64_t) st.st_size : 0 };
        mf_rewrite_entry(walk->rewrite, &entry);
        int r = open_content(walk, path_fd, &st, &fd);
        if (r == 0)
                r = find_link(walk, &st, &entry.hardlink);
        if (r < 0)
                return r;
        if (fd < 0 || entry.hardlink) /* all others have no attributes that an image keeps */
                return mf_writer_put(walk->writer, &entry, walk->err);
        r = add_content(walk, fd, &st, &entry);
        return r == 0 && S_ISDIR(st.st_mode) ? add_directory(walk, fd, depth + 1) : r;
}

/* --- a directory */

/* Writes all that is in a directory. */
static int add_directory(struct walk *walk, int fd, unsigned depth)
{
        const size_t length = strlen(walk->path);
        char **names = NULL;

        if (depth > DEPTH_MAX)
                return mf_error(walk->err, -ELOOP, MAYFLY_STAGE_ARCHIVE,
                                "%.200s... has directories more than %u deep; move them up", walk->path, DEPTH_MAX);
        int r = mf_dir_names(fd, &names);
        if (r < 0)
                return failed(walk, r, "list of files");
        for (char **name = names; r == 0 && *name; name++) {
                if (length + 1 + strlen(*name) >= PATH_MAX)
                        r = mf_error(walk->err, -ENAMETOOLONG, MAYFLY_STAGE_ARCHIVE,
                                     "a path below %.200s... is longer than %d bytes; shorten it", walk->path,
                                     PATH_MAX);
                else
                        snprintf(walk->path + length, sizeof(walk->path) - length, "/%s", *name);
                if (r == 0)
                        r = add_entry(walk, fd, *name, depth);
                walk->path[length] = '\0';
        }
        mf_strv_free(names);
        return r;
}

int mf_rootfs_add(struct mf_writer *writer, const char *rootfs, struct mf_rewrite *rewrite, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = open(rootfs, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the root file system %s cannot be opened",
                                      rootfs);
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
