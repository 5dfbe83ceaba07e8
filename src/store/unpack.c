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
#include "store/open-dirs.h"
#include "store/record.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define BUSY_MODE 0700     /* of a directory with an entry, until the end: so that files can be made in it */
#define IMPLICIT_MODE 0701 /* of a directory without an entry so far: it tells the two apart without a table */

/* The end of a message about an entry that another file system might store. */
#define OTHER_STORE "; choose a store on another file system with MAYFLY_STORE"

/* A directory whose entry came after an entry of something in it. */
struct late_dir {
        char *path;
        mode_t mode;
        struct timespec mtime;
};

struct mf_layer {
        int dirfd;
        struct mf_open_dirs *dirs;
        int parent_fd; /* of the directory that gets the entry at hand, borrowed from `dirs` */
        FILE *spill;   /* what to do to directories at the end: in a file, because an image may have any number */
        off_t spilled; /* its size */
        struct late_dir *late;
        size_t n_late, late_allocated;
        struct mf_record *record;
        struct mf_paths implicit;
        int as_root;
        int lacks_devices; /* those of /dev, which containers get in any case */
};

/* What is spilled for a directory, after its path: so that the last one can be read first. */
struct dir_record {
        uint32_t mode;
        uint32_t is_implicit; /* no entry was seen when it was made */
        struct timespec mtime;
        uint32_t length; /* of the path */
};

/* Opens a nameless file in the directory. Returns NULL with errno on failure. */
static FILE *open_spill(int dirfd)
{
        int fd = openat(dirfd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

        if (fd < 0) { /* not every file system can */
                fd = openat(dirfd, ".directories", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
                if (fd >= 0)
                        unlinkat(dirfd, ".directories", 0);
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
        layer->as_root = geteuid() == 0;
        layer->record = mf_record_new(dirfd, id);
        layer->spill = layer->record ? open_spill(dirfd) : NULL;
        layer->dirs = layer->spill ? mf_open_dirs_new(dirfd) : NULL;
        if (!layer->dirs) {
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
                mf_open_dirs_free(layer->dirs);
                mf_fclosep(&layer->spill);
                for (size_t i = 0; i < layer->n_late; i++)
                        free(layer->late[i].path);
                free(layer->late);
                mf_record_free(layer->record);
                mf_paths_clear(&layer->implicit);
                free(layer);
        }
        return NULL;
}

/* --- messages ------------------------------------------------------------------------------------------------- */

/* Sets the error `archive entry "NAME" cannot be WHAT`, with the reason. Returns `code`. */
static int cannot_be(struct mayfly_error *err, int code, const struct mf_entry *entry, const char *what)
{
        if (code == -EMLINK || code == -ENAMETOOLONG)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" cannot be %s, because the store's file system has a lower "
                                "limit: %s" OTHER_STORE,
                                entry->name, what, strerrordesc_np(-code));
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE, "archive entry \"%.300s\" cannot be %s", entry->name,
                              what);
}

/* Sets the error of an entry that cannot be made. Returns a negative errno. */
static int cannot_make(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return code == -EEXIST ? mf_entry_bad(err, entry, MF_ENTRY_IS_TWICE) : cannot_be(err, code, entry, "made");
}

/* Sets the error of an entry that cannot get its owner, mode or time. Returns a negative errno. An owner that the user namespace
 * of this process does not have is an invalid argument. */
static int cannot_finish(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return code == -EINVAL ? mf_no_such_id(entry, err)
                               : cannot_be(err, code, entry, "given its owner, mode and time");
}

/* Sets the error of a hard link that cannot be made. Returns a negative errno. */
static int cannot_link(struct mayfly_error *err, int code, const struct mf_entry *entry, const char *target)
{
        if (code == -ENOENT || code == -EPERM || code == -ELOOP || code == -ENOTDIR)
                return mf_entry_bad(err, entry, MF_ENTRY_LINKS_TO_NONE);
        if (code == -EMLINK)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" is one hard link to \"%.300s\" more than the store's file "
                                "system can have" OTHER_STORE,
                                entry->name, target);
        return cannot_make(err, code, entry);
}

/* Sets the error of an extended attribute that cannot be set. Returns a negative errno. Some file systems answer "no space"
 * to an attribute that is too long. */
static int cannot_set_xattr(struct mayfly_error *err, int code, int fd, const struct mf_entry *entry,
                            const struct mf_xattr *xattr)
{
        struct statvfs fs;

        if (code == -ENOSPC && fstatvfs(fd, &fs) == 0 && fs.f_bavail > 0)
                code = -E2BIG;
        if (code == -E2BIG)
                return mf_error(err, code, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" has an extended attribute \"%.255s\" of %zu bytes, which is "
                                "more than the store's file system can keep" OTHER_STORE,
                                entry->name, xattr->name, xattr->size);
        return mf_error_errno(err, code, MAYFLY_STAGE_STORE,
                              "the extended attribute \"%.255s\" of archive entry \"%.300s\" cannot be set",
                              xattr->name, entry->name);
}

/* Sets the error of a file that cannot be as long as it is with its holes. Returns a negative errno. */
static int cannot_have_size(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        if (code == -EFBIG || code == -EINVAL)
                return mf_error(err, -EFBIG, MAYFLY_STAGE_ARCHIVE,
                                "archive entry \"%.300s\" is %llu bytes long with its holes, which is more than the "
                                "store's file system or `ulimit -f` allows" OTHER_STORE,
                                entry->name, (unsigned long long) entry->size);
        return cannot_be(err, code, entry, "made as long as it is");
}

/* --- directories ---------------------------------------------------------------------------------------------- */

/* Spills what is to be done to a directory at the end; `mtime` is NULL for one without an entry. Returns 0 or -errno. */
static int spill_dir(struct mf_layer *layer, const char *path, mode_t mode, const struct timespec *mtime)
{
        struct dir_record record = { .mode = mode & 07777,
                                     .is_implicit = mtime == NULL,
                                     .length = (uint32_t) strlen(path) };

        if (mtime)
                record.mtime = *mtime;
        errno = 0;
        if (fwrite(path, record.length, 1, layer->spill) != 1 || fwrite(&record, sizeof(record), 1, layer->spill) != 1)
                return errno ? -errno : -EIO;
        layer->spilled += (off_t) (record.length + sizeof(record));
        return 0;
}

/* Notes the entry of a directory that was made without one. Returns 0 or -ENOMEM. */
static int note_late(struct mf_layer *layer, const char *path, const struct mf_entry *entry)
{
        struct late_dir *grown = mf_grow(layer->late, layer->n_late, &layer->late_allocated, sizeof(*grown));
        char *copy = grown ? strdup(path) : NULL;

        if (grown)
                layer->late = grown;
        if (!copy)
                return -ENOMEM;
        layer->late[layer->n_late++] =
                (struct late_dir){ .path = copy, .mode = entry->mode & 07777, .mtime = entry->mtime };
        return 0;
}

/* Makes a directory without an entry, unless it is there: see mf_open_dirs_make. */
static int make_implicit(void *userdata, int fd, const char *name, const char *path)
{
        struct mf_layer *layer = userdata;

        if (mkdirat(fd, name, BUSY_MODE) < 0)
                return errno == EEXIST ? 0 : -errno;
        if (fchmodat(fd, name, IMPLICIT_MODE, 0) < 0)
                return -errno;
        return spill_dir(layer, path, 0755, NULL);
}

/* Sets `parent` to the directory that `path` is in, and returns the last component of `path`. */
static const char *split(const char *path, char parent[PATH_MAX])
{
        const char *slash = strrchr(path, '/');

        snprintf(parent, PATH_MAX, "%.*s", slash ? (int) (slash - path) : 1, slash ? path : ".");
        return slash ? slash + 1 : path;
}

/* Sets layer->parent_fd to the directory that `path` is in, and *ret_base to the last component of `path`. */
static int enter_parent(struct mf_layer *layer, const char *path, const char **ret_base, const struct mf_entry *entry,
                        struct mayfly_error *err)
{
        char parent[PATH_MAX];

        *ret_base = split(path, parent);
        int fd = mf_open_dirs_get(layer->dirs, parent, make_implicit, layer);
        if (fd == -ELOOP || fd == -EXDEV)
                return mf_entry_bad(err, entry, MF_ENTRY_BEYOND_LINK);
        if (fd == -ENOTDIR)
                return mf_entry_bad(err, entry, MF_ENTRY_BELOW_FILE);
        if (fd < 0)
                return cannot_be(err, fd, entry, "put into its directory");
        layer->parent_fd = fd;
        return 0;
}

/* --- entries -------------------------------------------------------------------------------------------------- */

/* Sets the error of an entry whose line cannot be written to the record. Returns `code`. */
static int cannot_record(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return cannot_be(err, code, entry, "recorded");
}

/* Sets the extended attributes that images keep, and *ret_n to their number. Returns 0 or negative errno. */
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

/* Makes a directory, or finds the implicit one that is there. Its mode, owner and time are set at the end, so that files can
 * be made in it until then. */
static int add_directory(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                         struct mayfly_error *err)
{
        struct stat st;

        int is_late = mkdirat(layer->parent_fd, base, BUSY_MODE) < 0;
        if (is_late && (errno != EEXIST || fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISDIR(st.st_mode) || (st.st_mode & 07777) != IMPLICIT_MODE))
                return cannot_make(err, -errno, entry);
        if (fchmodat(layer->parent_fd, base, BUSY_MODE, 0) < 0)
                return cannot_make(err, -errno, entry);
        int r = is_late ? note_late(layer, path, entry) : spill_dir(layer, path, entry->mode, &entry->mtime);
        if (r < 0)
                return cannot_record(err, r, entry);
        mf_cleanup(mf_closep) int fd = openat(layer->parent_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || (layer->as_root && fchown(fd, entry->uid, entry->gid) < 0))
                return cannot_finish(err, -errno, entry);
        size_t n_xattrs;
        return set_xattrs(fd, entry, &n_xattrs, err);
}

/* Whether a path of an image is below /dev. */
static int is_in_dev(const char *path)
{
        return strncmp(path, MF_ROOTFS "/dev/", strlen(MF_ROOTFS "/dev/")) == 0;
}

/* Makes a hard link. A link to a device that was left out is left out, too. */
static int add_hardlink(struct mf_layer *layer, const char *path, const char *base, const char *target,
                        const struct mf_entry *entry, struct mayfly_error *err)
{
        char parent[PATH_MAX];
        const char *name = split(target, parent);

        int fd = mf_open_dirs_get(layer->dirs, parent, NULL, NULL);
        int r = fd < 0 ? fd : linkat(fd, name, layer->parent_fd, base, 0) < 0 ? -errno : 0;
        if (r == -ENOENT && layer->lacks_devices && is_in_dev(target))
                return 0;
        if (r < 0)
                return cannot_link(err, r, entry, target);
        r = mf_record_add_hardlink(layer->record, path, target);
        return r < 0 ? cannot_record(err, r, entry) : 0;
}

/* Makes a regular file with its data. */
static int add_file(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                    struct mayfly_error *err)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, entry->mtime };
        char sum[MF_MAC_LENGTH + 1];
        const mode_t mode = entry->mode & 07777;
        uint64_t end = 0;
        size_t n_xattrs;
        struct stat st;

        /* Nobody else gets into a directory of BUSY_MODE, so the file may have its permissions early. */
        mf_cleanup(mf_closep) int fd =
                openat(layer->parent_fd, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
        if (fd < 0)
                return cannot_make(err, -errno, entry);
        mf_content_sum_begin(mf_record_content_sum(layer->record), entry->size);
        int r = mf_entry_data(entry, fd, mf_record_content_sum(layer->record), &end, err);
        if (r < 0)
                return r;
        /* Only what differs is changed: a look is free, while each change is a transaction of the file system, and images
         * have 100,000 files. A hole at the end comes first. Then chown comes before the mode and the attributes, because
         * it clears set-user-ID and capabilities. */
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
        return r < 0 ? cannot_record(err, r, entry) : 0;
}

/* Leaves out a device that this user cannot make, if it is in /dev. Returns 0 or -EBADMSG. */
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

/* Makes a symbolic link, device or FIFO, which all have to be changed by name. */
static int add_special(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                       struct mayfly_error *err)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, entry->mtime };
        const int is_link = S_ISLNK(entry->mode);
        struct stat st;

        if ((is_link ? symlinkat(entry->symlink, layer->parent_fd, base)
                     : mknodat(layer->parent_fd, base, (entry->mode & S_IFMT) | 0600, entry->rdev)) < 0)
                return errno == EPERM && (S_ISCHR(entry->mode) || S_ISBLK(entry->mode))
                               ? leave_out_device(layer, path, entry, err)
                               : cannot_make(err, -errno, entry);
        if ((layer->as_root && fchownat(layer->parent_fd, base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
            (!is_link && fchmodat(layer->parent_fd, base, entry->mode & 07777, 0) < 0) ||
            utimensat(layer->parent_fd, base, times, AT_SYMLINK_NOFOLLOW) < 0 ||
            fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return cannot_finish(err, -errno, entry);
        int r = mf_record_add(layer->record, path, &st, NULL, -1, is_link ? entry->symlink : NULL);
        return r < 0 ? cannot_record(err, r, entry) : 0;
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
        if (r == 0)
                r = mf_entry_check(entry, err);
        if (r < 0)
                return r;
        if (entry->hardlink)
                return add_hardlink(layer, path, base, target, entry, err);
        if (S_ISREG(entry->mode))
                return add_file(layer, path, base, entry, err);
        if (S_ISDIR(entry->mode))
                return add_directory(layer, path, base, entry, err);
        return add_special(layer, path, base, entry, err);
}

/* --- the end -------------------------------------------------------------------------------------------------- */

/* Opens a directory of the layer. Returns a descriptor or negative errno. */
static int open_dir(struct mf_layer *layer, const char *path)
{
        char parent[PATH_MAX];
        const char *base = split(path, parent);

        int above = mf_open_dirs_get(layer->dirs, parent, NULL, NULL);
        return above < 0 ? above : mf_open_beneath(above, base, O_RDONLY | O_DIRECTORY);
}

/* Compares two struct late_dir. */
static int compare_late(const void *a, const void *b)
{
        return strcmp(((const struct late_dir *) a)->path, ((const struct late_dir *) b)->path);
}

/* Gives a directory its mode and time, and records it. */
static int finish_dir(struct mf_layer *layer, char *path, const struct dir_record *record)
{
        mf_cleanup(mf_closep) int fd = open_dir(layer, path);
        const struct late_dir wanted = { .path = path }, *late = NULL;
        struct timespec times[2] = { { 0, UTIME_OMIT }, record->mtime };
        struct stat st;

        if (fd < 0)
                return fd;
        if (record->is_implicit && layer->n_late > 0)
                late = bsearch(&wanted, layer->late, layer->n_late, sizeof(*late), compare_late);
        if (record->is_implicit && !late && mf_paths_add(&layer->implicit, strdup(path)) < 0)
                return -ENOMEM;
        if (late)
                times[1] = late->mtime;
        if (fchmod(fd, late ? late->mode : record->mode) < 0 ||
            ((late || !record->is_implicit) && futimens(fd, times) < 0) || fstat(fd, &st) < 0)
                return -errno;
        return mf_record_add(layer->record, path, &st, NULL, fd, NULL);
}

/* Reads `size` bytes of what was spilled. Returns 0 or -errno. */
static int read_spilled(const struct mf_layer *layer, off_t at, void *ret, size_t size)
{
        ssize_t n = pread(fileno(layer->spill), ret, size, at);

        return n == (ssize_t) size ? 0 : n < 0 ? -errno : -EIO;
}

/* Finishes all directories, the last that was made first: once a directory has its mode, its owner may be unable to enter
 * it. Returns 0, or negative errno with the directory in `path`. */
static int finish_dirs(struct mf_layer *layer, char path[PATH_MAX])
{
        struct dir_record record;
        int r = 0;

        if (layer->n_late > 0)
                qsort(layer->late, layer->n_late, sizeof(*layer->late), compare_late);
        for (off_t at = layer->spilled; at > 0 && r == 0; at -= record.length) {
                at -= (off_t) sizeof(record);
                r = read_spilled(layer, at, &record, sizeof(record));
                if (r < 0 || record.length >= PATH_MAX)
                        return r < 0 ? r : -EIO;
                r = read_spilled(layer, at - record.length, path, record.length);
                path[record.length] = '\0';
                if (r == 0)
                        r = finish_dir(layer, path, &record);
        }
        return r;
}

int mf_layer_finish(struct mf_layer *layer, struct mayfly_error *err)
{
        char path[PATH_MAX] = "";

        errno = 0;
        int r = fflush(layer->spill) == 0 ? 0 : errno ? -errno : -EIO;
        if (r == 0)
                r = finish_dirs(layer, path);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "directory \"%.300s\" of the image cannot be given its mode and time", path);
        r = mf_implied_dirs_write(&layer->implicit, NULL, NULL, layer->dirfd, layer->record);
        if (r == 0)
                r = mf_record_finish(layer->record);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the record of the image cannot be written") : 0;
}
