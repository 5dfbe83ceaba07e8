/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "store/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "archive/entry.h"
#include "archive/xattr.h"
#include "store/directory.h"
#include "store/implied-dirs.h"
#include "store/open-dirs.h"
#include "store/record.h"
#include "store/unpack-errors.h"
#include "store/whiteouts.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

#define BUSY_MODE 0700     /* of a directory with an entry, until the end: so that files can be made in it */
#define IMPLICIT_MODE 0701 /* of a directory without an entry so far: it tells the two apart without a table */

/* A directory whose entry came after an entry of something in it. */
struct late_dir {
        char *path;
        size_t order; /* the last one counts */
        mode_t mode;
        struct timespec mtime;
};

struct mf_layer {
        int dirfd;
        struct mf_open_dirs *dirs;
        int parent_fd;  /* of the directory that gets the entry at hand, borrowed from `dirs` */
        FILE *spill;    /* what to do to directories at the end: in a file, because an image may have any number */
        off_t spilled;  /* its size */
        int is_partial; /* one layer of several */
        struct mf_whiteouts whiteouts;
        struct late_dir *late;
        size_t n_late, late_allocated;
        struct mf_record *record;
        struct mf_paths implicit;
        int as_root;
        atomic_uint_least64_t *entries; /* of the whole image, with directories without an entry; NULL: not counted */
        uint64_t max_entries;
        size_t listed;     /* bytes of the paths that are kept or spilled without an entry of that name */
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

void mf_layer_set_limit(struct mf_layer *layer, atomic_uint_least64_t *entries, uint64_t max)
{
        layer->entries = entries;
        layer->max_entries = max;
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
                mf_whiteouts_clear(&layer->whiteouts);
                free(layer);
        }
        return NULL;
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
        layer->late[layer->n_late] = (struct late_dir){
                .path = copy, .order = layer->n_late, .mode = entry->mode & 07777, .mtime = entry->mtime
        };
        layer->n_late++;
        return 0;
}

/* Counts a path that is remembered. Returns 0 or -E2BIG. */
static int count_path(struct mf_layer *layer, const char *path)
{
        layer->listed += strlen(path) + 1;
        return layer->listed > MF_LISTED_MAX ? -E2BIG : 0;
}

/* Makes a directory without an entry, unless it is there: see mf_open_dirs_make. One entry can have thousands of them above it, so they
 * count as entries, too. Returns also -EFBIG and -E2BIG for the two limits. */
static int make_implicit(void *userdata, int fd, const char *name, const char *path)
{
        struct mf_layer *layer = userdata;

        if (mkdirat(fd, name, BUSY_MODE) < 0)
                return errno == EEXIST ? 0 : -errno;
        if (layer->entries && atomic_fetch_add(layer->entries, 1) + 1 > layer->max_entries)
                return -EFBIG;
        if (count_path(layer, path) < 0)
                return -E2BIG;
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
        if (fd == -EFBIG)
                return mf_too_many_entries(err, layer->max_entries);
        if (fd == -E2BIG)
                return mf_too_long_lists(err, MF_LISTED_MAX);
        if (fd < 0)
                return mf_cannot_be(err, fd, entry, "put into its directory");
        layer->parent_fd = fd;
        return 0;
}

/* --- entries -------------------------------------------------------------------------------------------------- */

/* Sets the error of an entry whose line cannot be written to the record. Returns `code`. */
static int cannot_record(struct mayfly_error *err, int code, const struct mf_entry *entry)
{
        return mf_cannot_be(err, code, entry, "recorded");
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
                        return mf_cannot_set_xattr(err, -errno, fd, entry, xattr);
        }
        return 0;
}

/* Removes the file, link or empty directory that an earlier entry has put at the path of the entry. Returns 0 or negative errno. */
static int replace(const struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                   struct mayfly_error *err)
{
        struct stat st;

        if (fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : mf_cannot_make(err, -errno, entry);
        const int is_dir = S_ISDIR(st.st_mode);
        if (is_dir && S_ISDIR(entry->mode) && !entry->hardlink)
                return 0;
        if (!is_dir && st.st_nlink > 1)
                return mf_entry_bad(err, entry,
                                    "is there twice, and there are hard links to the first; keep only one of the two");
        if (is_dir)
                mf_open_dirs_drop(layer->dirs, path);
        if (unlinkat(layer->parent_fd, base, is_dir ? AT_REMOVEDIR : 0) == 0)
                return 0;
        return errno == ENOTEMPTY || errno == EEXIST
                       ? mf_entry_bad(
                                 err, entry,
                                 "is there twice, first as a directory that is not empty; keep only one of the two")
                       : mf_cannot_make(err, -errno, entry);
}

/* Makes a directory, or finds the implicit one that is there. Its mode, owner and time are set at the end, so that files can
 * be made in it until then. */
static int add_directory(struct mf_layer *layer, const char *path, const char *base, const struct mf_entry *entry,
                         struct mayfly_error *err)
{
        struct stat st;

        int is_late = mkdirat(layer->parent_fd, base, BUSY_MODE) < 0;
        if (is_late && (errno != EEXIST || fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                        !S_ISDIR(st.st_mode) || ((st.st_mode & 07777) != IMPLICIT_MODE && !layer->is_partial)))
                return mf_cannot_make(err, -errno, entry);
        if (fchmodat(layer->parent_fd, base, BUSY_MODE, 0) < 0)
                return mf_cannot_make(err, -errno, entry);
        if (is_late && count_path(layer, path) < 0)
                return mf_too_long_lists(err, MF_LISTED_MAX);
        int r = is_late ? note_late(layer, path, entry) : spill_dir(layer, path, entry->mode, &entry->mtime);
        if (r < 0)
                return cannot_record(err, r, entry);
        mf_cleanup(mf_closep) int fd = openat(layer->parent_fd, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || (layer->as_root && fchown(fd, entry->uid, entry->gid) < 0))
                return mf_cannot_finish(err, -errno, entry);
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
                return mf_cannot_link(err, r, layer->is_partial, entry, target);
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
                return mf_cannot_make(err, -errno, entry);
        mf_content_sum_begin(mf_record_content_sum(layer->record), entry->size);
        int r = mf_entry_data(entry, fd, mf_record_content_sum(layer->record), &end, err);
        if (r < 0)
                return r;
        /* Only what differs is changed: a look is free, while each change is a transaction of the file system, and images
         * have 100,000 files. A hole at the end comes first. Then chown comes before the mode and the attributes, because
         * it clears set-user-ID and capabilities. */
        if (end < entry->size && ftruncate(fd, (off_t) entry->size) < 0)
                return mf_cannot_have_size(err, -errno, entry);
        if (fstat(fd, &st) < 0 ||
            (layer->as_root && (st.st_uid != entry->uid || st.st_gid != entry->gid) &&
             fchown(fd, entry->uid, entry->gid) < 0) ||
            ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0) || futimens(fd, times) < 0)
                return mf_cannot_finish(err, -errno, entry);
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
                               : mf_cannot_make(err, -errno, entry);
        if ((layer->as_root && fchownat(layer->parent_fd, base, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW) < 0) ||
            (!is_link && fchmodat(layer->parent_fd, base, entry->mode & 07777, 0) < 0) ||
            utimensat(layer->parent_fd, base, times, AT_SYMLINK_NOFOLLOW) < 0 ||
            fstatat(layer->parent_fd, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return mf_cannot_finish(err, -errno, entry);
        int r = mf_record_add(layer->record, path, &st, NULL, -1, is_link ? entry->symlink : NULL);
        return r < 0 ? cannot_record(err, r, entry) : 0;
}

int mf_layer_add(struct mf_layer *layer, const char *path, const char *target, const struct mf_entry *entry,
                 struct mayfly_error *err)
{
        const char *base = NULL;
        struct mf_entry manifest;

        if (strcmp(path, "manifest") == 0 &&
            !layer->is_partial) { /* the store's: whoever has the store reads it, whoever made the image */
                manifest = *entry;
                manifest.mode = (entry->mode & S_IFMT) | 0644;
                manifest.uid = manifest.gid = 0;
                entry = &manifest;
        }
        int r = enter_parent(layer, path, &base, entry, err);
        if (r == 0)
                r = mf_entry_check(entry, err);
        if (r == 0 && layer->is_partial && entry->hardlink && strcmp(path, target) == 0)
                return 0;
        if (r == 0 && layer->is_partial)
                r = replace(layer, path, base, entry, err);
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

/* --- one layer of several ------------------------------------------------------------------------------------- */

void mf_layer_set_partial(struct mf_layer *layer)
{
        layer->is_partial = 1;
}

int mf_layer_hide(struct mf_layer *layer, const char *path, int is_opaque, const struct mf_entry *entry,
                  struct mayfly_error *err)
{
        const char *base = NULL;
        char inner[PATH_MAX];

        /* The directory must be there, and be one. */
        if (snprintf(inner, sizeof(inner), "%s/x", path) >= (int) sizeof(inner))
                return mf_entry_bad(err, entry, "has too long a name");
        int r = enter_parent(layer, is_opaque ? inner : path, &base, entry, err);
        if (r == 0 && count_path(layer, path) < 0)
                return mf_too_long_lists(err, MF_LISTED_MAX);
        if (r == 0 && mf_paths_add(is_opaque ? &layer->whiteouts.opaque : &layer->whiteouts.hidden, strdup(path)) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_STORE);
        return r;
}

/* Makes what is particular to a layer of several. Returns 0 or negative errno. */
static int finish_partial(struct mf_layer *layer, struct mayfly_error *err)
{
        const char *path = "";

        int r = mf_open_dirs_get(layer->dirs, MF_ROOTFS, make_implicit, layer); /* the layer may have no entry */
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the root directory of the layer cannot be made");
        r = mf_whiteouts_apply(&layer->whiteouts, layer->dirs, layer->dirfd, layer->record, &path);
        if (r == -EOPNOTSUPP)
                return mf_error(
                        err, r, MAYFLY_STAGE_STORE,
                        "the store is on a file system that cannot hold that something is gone in a layer "
                        "(\"%.300s\"): on overlayfs that needs Linux 6.8; choose a store on another file system "
                        "with MAYFLY_STORE",
                        path);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "\"%.300s\" cannot be hidden in the store", path);
        r = mf_record_add_text(layer->record, layer->dirfd, MF_LAYER_MARK, 0644, "", 0);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the layer cannot be marked as one") : 0;
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

/* Compares the paths of two struct late_dir. */
static int compare_late(const void *a, const void *b)
{
        return strcmp(((const struct late_dir *) a)->path, ((const struct late_dir *) b)->path);
}

/* Compares two struct late_dir, also those of one path. */
static int compare_order(const void *a, const void *b)
{
        const struct late_dir *one = a, *other = b;
        int r = compare_late(a, b);

        return r ? r : (one->order > other->order) - (one->order < other->order);
}

/* Sorts the late directories, and keeps the last of those with one path. */
static void sort_late(struct mf_layer *layer)
{
        size_t n = 0;

        if (layer->n_late == 0)
                return;
        qsort(layer->late, layer->n_late, sizeof(*layer->late), compare_order);
        for (size_t i = 0; i < layer->n_late; i++)
                if (i + 1 < layer->n_late && compare_late(&layer->late[i], &layer->late[i + 1]) == 0)
                        free(layer->late[i].path);
                else
                        layer->late[n++] = layer->late[i];
        layer->n_late = n;
}

/* Gives a directory its mode and time, and records it. */
static int finish_dir(struct mf_layer *layer, char *path, const struct dir_record *record)
{
        mf_cleanup(mf_closep) int fd = open_dir(layer, path);
        const struct late_dir wanted = { .path = path }, *late = NULL;
        struct timespec times[2] = { { 0, UTIME_OMIT }, record->mtime };
        struct stat st;

        if (layer->is_partial && (fd == -ENOTDIR || fd == -ENOENT || fd == -ELOOP)) /* a later entry took its place */
                return 0;
        if (fd < 0)
                return fd;
        if ((record->is_implicit || layer->is_partial) && layer->n_late > 0)
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

        sort_late(layer);
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

        int r = layer->is_partial ? finish_partial(layer, err) : 0;
        if (r < 0)
                return r;
        errno = 0;
        r = fflush(layer->spill) == 0 ? 0 : errno ? -errno : -EIO;
        if (r == 0)
                r = finish_dirs(layer, path);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE,
                                      "directory \"%.300s\" of the image cannot be given its mode and time", path);
        r = mf_dirs_list_write(MF_IMPLIED_DIRS, &layer->implicit, NULL, NULL, layer->dirfd, layer->record);
        if (r == 0)
                r = mf_record_finish(layer->record);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the record of the image cannot be written") : 0;
}
