/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "archive/entry.h"
#include "archive/xattr.h"
#include "store/directory.h"
#include "store/implied-dirs.h"
#include "store/no-such-id.h"
#include "store/record.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define BUSY_MODE 0700     /* of a folder until the end, so that we can write into it */
#define IMPLICIT_MODE 0701 /* likewise, and no entry of its own was seen: how duplicates are told without a table */

struct mf_layer {
        int dirfd;
        int parent_fd; /* of the folder `parent`, to spare a walk per file */
        char parent[PATH_MAX];
        FILE *folders; /* what to do to folders at the end: spilled, since an image may have any number */
        struct mf_record *record;
        struct mf_paths implicit;
        int as_root;
        int lacks_devices; /* those of /dev, which containers get in any case */
};

struct folder_record {
        uint32_t mode;
        uint32_t has_time;
        struct timespec mtime;
        uint32_t length; /* of the path that follows */
};

static FILE *open_spill(int dirfd)
{
        int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (fd < 0) { /* not every file system can */
                fd = openat(dirfd, ".folders", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
                unlinkat(dirfd, ".folders", 0);
        }
        FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
        if (!file)
                mf_close(fd);
        return file;
}

struct mf_layer *mf_layer_new(int dirfd, const char *id)
{
        struct mf_layer *layer = calloc(1, sizeof(*layer));

        if (!layer)
                return NULL;
        layer->dirfd = dirfd;
        layer->parent_fd = -1;
        layer->as_root = geteuid() == 0;
        layer->record = mf_record_new(dirfd, id);
        layer->folders = layer->record ? open_spill(dirfd) : NULL;
        if (!layer->folders) {
                int saved = errno;
                mf_layer_free(layer);
                errno = saved;
                return NULL;
        }
        return layer;
}

struct mf_layer *mf_layer_free(struct mf_layer *layer)
{
        if (layer) {
                mf_fclosep(&layer->folders);
                mf_record_free(layer->record);
                mf_paths_clear(&layer->implicit);
                mf_close(layer->parent_fd);
                free(layer);
        }
        return NULL;
}

static int cannot_record(struct mayfly_error *err, int code, const char *name)
{
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE, "recording \"%.300s\"", name);
}

/* An owner that the user namespace of this process does not have is an invalid argument. */
static int cannot_finish(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return code == -EINVAL ? mf_no_such_id(entry, err)
                               : mf_error_errno(err, code, MAYFLY_STAGE_STORE, "finishing \"%.300s\"", entry->name);
}

static int record_folder(struct mf_layer *layer, const char *path, mode_t mode, const struct timespec *mtime)
{
        struct folder_record record = { .mode = mode & 07777,
                                        .has_time = mtime != NULL,
                                        .length = (uint32_t) strlen(path) };

        if (mtime)
                record.mtime = *mtime;
        errno = 0;
        if (fwrite(&record, sizeof(record), 1, layer->folders) != 1 ||
            fwrite(path, record.length, 1, layer->folders) != 1)
                return errno ? -errno : -EIO;
        return 0;
}

/* Makes the directory `name` in `fd` unless it is there; its path is the first `length` bytes of `path`. */
static int make_level(struct mf_layer *layer, int fd, const char *name, const char *path, size_t length)
{
        char part[PATH_MAX];

        if (mkdirat(fd, name, BUSY_MODE) < 0)
                return errno == EEXIST ? 0 : -errno;
        if (fchmodat(fd, name, IMPLICIT_MODE, 0) < 0)
                return -errno;
        memcpy(part, path, length);
        part[length] = '\0';
        return record_folder(layer, part, 0755, NULL);
}

/* Makes the directory `path` and all above it, as far as they are missing. Levels above `from` are there, and `fd` is
 * the directory in which the level at `from` lies. Each level is looked up in the one above, without following a link.
 * Returns a descriptor of the last, or negative errno. */
static int make_implicit(struct mf_layer *layer, int fd, const char *path, const char *from)
{
        mf_cleanup(mf_closep) int above = -1;
        char name[NAME_MAX + 1];

        for (;;) {
                size_t length = strcspn(from, "/");
                memcpy(name, from, length);
                name[length] = '\0';
                from += length;
                int r = make_level(layer, fd, name, path, (size_t) (from - path));
                int below = r < 0 ? r : mf_open_beneath(fd, name, O_PATH | O_DIRECTORY);
                if (below < 0 || !*from++)
                        return below;
                mf_close(above);
                fd = above = below;
        }
}

/* Opens the directory `path`, and makes it if it is missing. The search begins at the directory of the entry before,
 * if `path` lies in that: else deep archives take time with the square of their depth. */
static int open_parent(struct mf_layer *layer, const char *path)
{
        const size_t length = strlen(layer->parent);
        const int within = layer->parent_fd >= 0 && strncmp(path, layer->parent, length) == 0 && path[length] == '/';
        const int from_fd = within ? layer->parent_fd : layer->dirfd;
        const char *from = within ? path + length + 1 : path;

        int fd = mf_open_beneath(from_fd, from, O_PATH | O_DIRECTORY);
        return fd == -ENOENT ? make_implicit(layer, from_fd, path, from) : fd;
}

/* Makes layer->parent_fd the directory that `path` is in; *ret_base its last component. */
static int enter_parent(struct mf_layer *layer, const char *path, const char **ret_base, const struct mf_entry *entry,
                        struct mayfly_error *err)
{
        const char *slash = strrchr(path, '/');
        char parent[PATH_MAX] = ".";

        *ret_base = slash ? slash + 1 : path;
        if (slash) {
                memcpy(parent, path, (size_t) (slash - path));
                parent[slash - path] = '\0';
        }
        if (layer->parent_fd >= 0 && strcmp(parent, layer->parent) == 0)
                return 0;

        int fd = open_parent(layer, parent);
        if (fd == -ELOOP || fd == -EXDEV)
                return mf_entry_bad(err, entry, "lies beyond a symbolic link, which would lead out of its directory");
        if (fd == -ENOTDIR)
                return mf_entry_bad(err, entry, "lies beneath something that is not a directory");
        if (fd < 0)
                return mf_error_errno(err, fd, MAYFLY_STAGE_STORE, "the directory of \"%.300s\"", entry->name);
        mf_close(layer->parent_fd);
        layer->parent_fd = fd;
        strcpy(layer->parent, parent);
        return 0;
}

static int add_directory(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                         struct mayfly_error *err)
{
        struct stat st;

        if (mkdirat(layer->parent_fd, base, BUSY_MODE) < 0) {
                if (errno != EEXIST)
                        return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "making \"%.300s\"", entry->name);
                if (fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode) ||
                    (st.st_mode & 07777) != IMPLICIT_MODE)
                        return mf_entry_bad(err, entry, "is there twice");
        }
        if (fchmodat(layer->parent_fd, base, BUSY_MODE, 0) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "making \"%.300s\"", entry->name);
        int r = record_folder(layer, path, entry->mode, &entry->mtime);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "remembering \"%.300s\"", entry->name) : 0;
}

static int is_in_dev(const char *path)
{
        return strncmp(path, MF_ROOTFS "/dev/", strlen(MF_ROOTFS "/dev/")) == 0;
}

static int add_hardlink(struct mf_layer *layer, const char *path, const char *base, const char *target,
                        const struct mf_entry *entry, struct mayfly_error *err)
{
        const char *slash = strrchr(target, '/');
        char folder[PATH_MAX] = ".";

        if (slash) {
                memcpy(folder, target, (size_t) (slash - target));
                folder[slash - target] = '\0';
        }
        mf_cleanup(mf_closep) int fd = mf_open_beneath(layer->dirfd, folder, O_PATH | O_DIRECTORY);
        if (fd < 0 || linkat(fd, slash ? slash + 1 : target, layer->parent_fd, base, 0) < 0) {
                int r = fd < 0 ? fd : -errno;
                if (r == -EEXIST)
                        return mf_entry_bad(err, entry, "is there twice");
                if (r == -ENOENT && layer->lacks_devices && is_in_dev(target))
                        return 0;
                if (r == -ENOENT || r == -EPERM || r == -ELOOP || r == -ENOTDIR)
                        return mf_entry_bad(err, entry,
                                            "is a hard link to something that is not in the archive before it");
                if (r == -EMLINK)
                        return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                        "archive entry \"%.300s\" is one hard link to \"%.300s\" more than the store's "
                                        "file system can have",
                                        entry->name, target);
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "linking \"%.300s\"", entry->name);
        }
        int r = mf_record_add_hardlink(layer->record, path, target);
        return r < 0 ? cannot_record(err, r, entry->name) : 0;
}

/* Says why an attribute cannot be set. Some file systems answer "no space" to one that is too long. */
static int cannot_set_xattr(struct mayfly_error *err, int r, int fd, const struct mf_entry *entry,
                            const struct mf_xattr *xattr)
{
        struct statvfs fs;

        if (r == -ENOSPC && fstatvfs(fd, &fs) == 0 && fs.f_bavail > 0)
                r = -E2BIG;
        if (r == -E2BIG)
                return mf_error(
                        err, r, MAYFLY_STAGE_ARCHIVE,
                        "archive entry \"%.300s\" has an extended attribute \"%.100s\" of %zu bytes, which is more "
                        "than the store's file system can keep",
                        entry->name, xattr->name, xattr->size);
        if (r == -EINVAL && strcmp(xattr->name, "security.capability") == 0)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" has a malformed file capability, which Linux refuses",
                                entry->name);
        return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "setting the extended attribute \"%.100s\" of \"%.300s\"",
                              xattr->name, entry->name);
}

/* Sets the attributes that images keep. *ret_n is how many. */
static int set_xattrs(int fd, const struct mf_entry *entry, size_t *ret_n, struct mayfly_error *err)
{
        *ret_n = 0;
        for (size_t i = 0; i < entry->n_xattrs; i++) {
                const struct mf_xattr *xattr = &entry->xattrs[i];
                if (!mf_xattr_is_kept(xattr->name) ||
                    (strcmp(xattr->name, "security.capability") == 0 && geteuid() != 0))
                        continue;
                ++*ret_n;
                if (fsetxattr(fd, xattr->name, xattr->value, xattr->size, 0) < 0 && errno != ENOTSUP)
                        return cannot_set_xattr(err, -errno, fd, entry, xattr);
        }
        return 0;
}

static int cannot_have_size(struct mayfly_error *err, int r, const struct mf_entry *entry)
{
        if (r == -EFBIG || r == -EINVAL)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" is %llu bytes long with its holes, which is more than the "
                                "store's file system can have",
                                entry->name, (unsigned long long) entry->size);
        return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "making \"%.300s\" as long as it is", entry->name);
}

static int add_file(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                    struct mayfly_error *err)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, entry->mtime };
        char sum[MF_MAC_LENGTH + 1];
        const mode_t mode = entry->mode & 07777;
        uint64_t end = 0;
        size_t n_xattrs;
        struct stat st;

        /* Nobody else gets into a folder of BUSY_MODE, so the file may have its permissions early. */
        mf_cleanup(mf_closep) int fd =
                openat(layer->parent_fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
        if (fd < 0)
                return errno == EEXIST
                               ? mf_entry_bad(err, entry, "is there twice")
                               : mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "making \"%.300s\"", entry->name);
        mf_content_sum_begin(mf_record_content_sum(layer->record), entry->size);
        int r = mf_entry_data(entry, fd, mf_record_content_sum(layer->record), &end, err);
        if (r < 0)
                return r;
        /* Only what is not so yet: looking is free, while each change is a transaction of the file system, and images
         * have 100,000 files. Holes at the end; then in the order in which one undoes the other: chown clears
         * set-user-ID and capabilities. */
        if (end < entry->size && ftruncate(fd, (off_t) entry->size) < 0)
                return cannot_have_size(err, -errno, entry);
        if (fstat(fd, &st) < 0 ||
            (layer->as_root && (st.st_uid != entry->uid || st.st_gid != entry->gid) &&
             fchown(fd, entry->uid, entry->gid) < 0) ||
            ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0) || futimens(fd, times) < 0)
                return cannot_finish(err, -errno, entry);
        r = set_xattrs(fd, entry, &n_xattrs, err);
        if (r < 0)
                return r;
        r = mf_content_sum_finish(mf_record_content_sum(layer->record), sum);
        if (r == 0)
                r = fstat(fd, &st) < 0 ? -errno
                                       : mf_record_add(layer->record, path, &st, sum, n_xattrs ? fd : -1, NULL);
        return r < 0 ? cannot_record(err, r, entry->name) : 0;
}

/* Leaves out a device that this user cannot make, if it is in /dev. */
static int leave_out_device(struct mf_layer *layer, const char *path, const struct mf_entry *entry,
                            struct mayfly_error *err)
{
        if (!is_in_dev(path))
                return mf_entry_bad(err, entry,
                                    "is a device outside of /dev, which only root can make; fetch the image as root, "
                                    "or build it without");
        layer->lacks_devices = 1;
        return 0;
}

/* Symbolic links, devices, fifos: made by name, finished by name. */
static int add_special(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                       struct mayfly_error *err)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, entry->mtime };
        struct stat st;
        int r;

        if (S_ISLNK(entry->mode)) {
                if (!entry->symlink || !*entry->symlink)
                        return mf_entry_bad(err, entry, "is a symbolic link to nothing");
                r = symlinkat(entry->symlink, layer->parent_fd, base);
        } else if (S_ISFIFO(entry->mode) || S_ISCHR(entry->mode) || S_ISBLK(entry->mode)) {
                if (S_ISCHR(entry->mode) && entry->rdev == 0)
                        return mf_entry_bad(err, entry, MF_ENTRY_IS_WHITEOUT);
                r = mknodat(layer->parent_fd, base, (entry->mode & S_IFMT) | 0600, entry->rdev);
                if (r < 0 && errno == EPERM && !S_ISFIFO(entry->mode))
                        return leave_out_device(layer, path, entry, err);
        } else {
                return mf_entry_bad(err, entry, "is of a type an image cannot hold");
        }
        if (r < 0)
                return errno == EEXIST
                               ? mf_entry_bad(err, entry, "is there twice")
                               : mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "making \"%.300s\"", entry->name);
        if ((layer->as_root && fchownat(layer->parent_fd, base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
            (!S_ISLNK(entry->mode) && fchmodat(layer->parent_fd, base, entry->mode & 07777, 0) < 0) ||
            utimensat(layer->parent_fd, base, times, AT_SYMLINK_NOFOLLOW) < 0 ||
            fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return cannot_finish(err, -errno, entry);
        r = mf_record_add(layer->record, path, &st, NULL, -1, S_ISLNK(entry->mode) ? entry->symlink : NULL);
        return r < 0 ? cannot_record(err, r, entry->name) : 0;
}

int mf_layer_add(struct mf_layer *layer, const char *path, const char *target, const struct mf_entry *entry,
                 struct mayfly_error *err)
{
        const char *base = NULL;
        struct mf_entry manifest;

        if (strcmp(path, "manifest") == 0) { /* the store's: whoever has the store reads it, whoever made the image */
                manifest = *entry;
                manifest.mode = (entry->mode & S_IFMT) | 0644;
                manifest.uid = manifest.gid = 0;
                entry = &manifest;
        }
        int r = enter_parent(layer, path, &base, entry, err);
        if (r < 0)
                return r;
        if (entry->hardlink)
                return add_hardlink(layer, path, base, target, entry, err);
        if (S_ISREG(entry->mode))
                return add_file(layer, path, base, entry, err);
        if (!S_ISDIR(entry->mode))
                return add_special(layer, path, base, entry, err);
        r = add_directory(layer, path, base, entry, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int fd = openat(layer->parent_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || (layer->as_root && fchown(fd, entry->uid, entry->gid) < 0))
                return cannot_finish(err, -errno, entry);
        size_t n_xattrs;
        return set_xattrs(fd, entry, &n_xattrs, err);
}

/* Folders have their modes only now, and so come last in the record. */
static int finish_folder(struct mf_layer *layer, const char *path, const struct folder_record *record)
{
        mf_cleanup(mf_closep) int fd = mf_open_beneath(layer->dirfd, path, O_RDONLY | O_DIRECTORY);
        const struct timespec times[2] = { { 0, UTIME_OMIT }, record->mtime };
        struct stat st;

        if (fd < 0)
                return fd;
        /* No entry of its own came after all. */
        if (!record->has_time && fstat(fd, &st) == 0 && (st.st_mode & 07777) == IMPLICIT_MODE &&
            mf_paths_add(&layer->implicit, strdup(path)) < 0)
                return -ENOMEM;
        if (fchmod(fd, record->mode) < 0 || (record->has_time && futimens(fd, times) < 0) || fstat(fd, &st) < 0)
                return -errno;
        return mf_record_add(layer->record, path, &st, NULL, fd, NULL);
}

static int finish_folders(struct mf_layer *layer)
{
        struct folder_record record;
        char path[PATH_MAX];

        errno = 0;
        if (fflush(layer->folders) != 0 || ferror(layer->folders))
                return errno ? -errno : -EIO;
        rewind(layer->folders);
        while (fread(&record, sizeof(record), 1, layer->folders) == 1) {
                if (record.length >= sizeof(path) || fread(path, record.length, 1, layer->folders) != 1)
                        return -EIO;
                path[record.length] = '\0';
                int r = finish_folder(layer, path, &record);
                if (r < 0)
                        return r;
        }
        return ferror(layer->folders) ? -EIO : 0;
}

int mf_layer_finish(struct mf_layer *layer, struct mayfly_error *err)
{
        layer->parent_fd = mf_close(layer->parent_fd);
        int r = finish_folders(layer);
        if (r == 0)
                r = mf_implied_dirs_write(&layer->implicit, NULL, NULL, layer->dirfd, layer->record);
        if (r == 0)
                r = mf_record_finish(layer->record);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "setting the modes and times of directories") : 0;
}
