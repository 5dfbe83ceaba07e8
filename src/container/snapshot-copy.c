/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/snapshot-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/snapshot-xattr.h"
#include "util/dir-names.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

/* Copies a tree between two tmpfs, each on a file system of its own. Nobody changes the source meanwhile: its container is halted or
 * paused. How deep a tree is costs memory alone, neither stack nor descriptors: of each side one directory is open, and ".." leads back.
 * Only the path of an entry has a bound, that of the kernel. */

#define BUFFER_SIZE (256U * 1024)
#define BUCKETS 1024U

/* A file with several names: where its first one was copied to. */
struct linked {
        struct linked *next;
        ino_t inode;
        char path[];
};

/* A directory that is being copied. */
struct level {
        struct level *above;
        char **names;  /* of its entries */
        size_t next;   /* the first of them that is still to be copied */
        size_t length; /* of the path of the directory above */
        ino_t inode_above;
        int is_alone; /* no layer below shows through */
        struct stat st;
};

struct copying {
        int to;              /* the root of the copy */
        int source, copy;    /* the directories where we are */
        struct level *level; /* of them; NULL at the root */
        int merges;          /* the copy may have entries already: those of a lower layer */
        struct mf_shift shift;
        char path[PATH_MAX]; /* of the present entry, below the root */
        struct linked *linked[BUCKETS];
        char *buffer;
};

/* --- files ------------------------------------------------------------------------------------------------------ */

/* Copies what is between two holes. Returns 0 or negative errno. */
static int copy_extent(struct copying *copying, int from, int to, off_t begin, off_t end)
{
        while (begin < end) {
                size_t size = end - begin < (off_t) BUFFER_SIZE ? (size_t) (end - begin) : BUFFER_SIZE;
                ssize_t n = pread(from, copying->buffer, size, begin);
                if (n <= 0)
                        return n < 0 ? -errno : -EIO; /* it became shorter */
                ssize_t written = pwrite(to, copying->buffer, (size_t) n, begin);
                if (written < 0)
                        return -errno;
                begin += written;
        }
        return 0;
}

static int copy_data(struct copying *copying, int from, int to, off_t size)
{
        off_t begin = 0, end = 0;
        int r = 0;

        while (r == 0 && (begin = lseek(from, end, SEEK_DATA)) >= 0 && begin < size) {
                end = lseek(from, begin, SEEK_HOLE);
                r = end < 0 ? -errno : copy_extent(copying, from, to, begin, end < size ? end : size);
        }
        if (r == 0 && begin < 0 && errno != ENXIO) /* there are no more data */
                r = -errno;
        return r == 0 && ftruncate(to, size) < 0 ? -errno : r;
}

static int copy_file(struct copying *copying, int from, int to, const char *name, const struct stat *st)
{
        mf_cleanup(mf_closep) int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (source < 0)
                return -errno;
        mf_cleanup(mf_closep) int copy = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return copy < 0 ? -errno : copy_data(copying, source, copy, st->st_size);
}

static int copy_symlink(int from, int to, const char *name)
{
        char target[PATH_MAX];
        ssize_t n = readlinkat(from, name, target, sizeof(target) - 1);

        if (n < 0)
                return -errno;
        target[n] = '\0';
        return symlinkat(target, to, name) < 0 ? -errno : 0;
}

/* --- files with several names ----------------------------------------------------------------------------------- */

/* Makes the entry another name of one that was copied. Returns 1, 0 when there is none yet, or negative errno. */
static int link_to_known(struct copying *copying, int to, const char *name, const struct stat *st)
{
        for (const struct linked *l = copying->linked[st->st_ino % BUCKETS]; l; l = l->next)
                if (l->inode == st->st_ino)
                        return linkat(copying->to, l->path, to, name, 0) < 0 ? -errno : 1;
        return 0;
}

static int remember(struct copying *copying, const struct stat *st)
{
        size_t size = strlen(copying->path) + 1;
        struct linked *linked = malloc(sizeof(*linked) + size);

        if (!linked)
                return -ENOMEM;
        *linked = (struct linked){ .next = copying->linked[st->st_ino % BUCKETS], .inode = st->st_ino };
        memcpy(linked->path, copying->path, size);
        copying->linked[st->st_ino % BUCKETS] = linked;
        return 0;
}

/* --- the tree --------------------------------------------------------------------------------------------------- */

/* Makes the entry, which is no directory, without what is known about it. A whiteout of overlayfs is a device that any user may make. */
static int copy_node(struct copying *copying, int from, int to, const char *name, const struct stat *st)
{
        switch (st->st_mode & S_IFMT) {
        case S_IFREG:
                return copy_file(copying, from, to, name, st);
        case S_IFLNK:
                return copy_symlink(from, to, name);
        default:
                return mknodat(to, name, st->st_mode, st->st_rdev) < 0 ? -errno : 0;
        }
}

/* Owner first: a change of it takes set-ID bits and capabilities away. */
static int copy_metadata(const struct copying *copying, const char *name, const struct stat *st, int keeps_content)
{
        const struct timespec times[2] = { st->st_atim, st->st_mtim };
        const int to = copying->copy;

        if (fchownat(to, name, mf_shift_id(&copying->shift, st->st_uid), mf_shift_id(&copying->shift, st->st_gid),
                     AT_SYMLINK_NOFOLLOW) < 0 ||
            (!S_ISLNK(st->st_mode) && fchmodat(to, name, st->st_mode & 07777, 0) < 0))
                return -errno;
        int r = mf_snapshot_copy_xattrs(&copying->shift, copying->source, to, name, keeps_content);
        return r == 0 && utimensat(to, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : r;
}

static int copy_leaf(struct copying *copying, const char *name, const struct stat *st)
{
        int r = st->st_nlink > 1 ? link_to_known(copying, copying->copy, name, st) : 0;

        if (r != 0)
                return r < 0 ? r : 0;
        r = copy_node(copying, copying->source, copying->copy, name, st);
        if (r == 0)
                r = copy_metadata(copying, name, st, 0);
        return r == 0 && st->st_nlink > 1 ? remember(copying, st) : r;
}

/* Goes from where we are to `name` there, on both sides. */
static int enter(struct copying *copying, const char *name)
{
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        mf_cleanup(mf_closep) int source = openat(copying->source, name, flags);
        mf_cleanup(mf_closep) int copy = source < 0 ? -1 : openat(copying->copy, name, flags);

        if (copy < 0)
                return -errno;
        mf_close(copying->source);
        mf_close(copying->copy);
        copying->source = mf_take_fd(&source);
        copying->copy = mf_take_fd(&copy);
        return 0;
}

/* Whether no layer below shows through where we are. Below a volume of the container's own there is none. */
static int is_alone(const struct copying *copying)
{
        return copying->level ? copying->level->is_alone : strncmp(copying->path, "volumes", strlen("volumes")) == 0;
}

/* Makes the directory, unless it is there to be merged with, and goes there. */
static int go_down(struct copying *copying, const char *name, const struct stat *st, size_t length, enum mf_room room)
{
        struct level *level = calloc(1, sizeof(*level));
        struct stat above;

        if (!level)
                return -ENOMEM;
        *level = (struct level){ .above = copying->level, .length = length, .is_alone = is_alone(copying), .st = *st };
        copying->level = level;
        if (fstat(copying->source, &above) < 0 || (room != MF_ROOM_DIRECTORY && mkdirat(copying->copy, name, 0700) < 0))
                return -errno;
        if (copying->merges && mf_snapshot_is_opaque(room == MF_ROOM_DIRECTORY ? copying->copy : copying->source, name))
                level->is_alone = 1;
        level->inode_above = above.st_ino;
        int r = enter(copying, name);
        return r < 0 ? r : mf_dir_names(copying->source, &level->names);
}

static void drop_level(struct copying *copying)
{
        struct level *level = copying->level;

        copying->level = level->above;
        mf_strv_free(level->names);
        free(level);
}

/* Leaves the directory, whose entries are all copied, and gives it its owner, mode and times. */
static int go_up(struct copying *copying)
{
        const struct level *level = copying->level;
        const char *name = copying->path + level->length + (level->length > 0);
        struct stat st;

        int r = enter(copying, "..");
        if (r == 0 && fstat(copying->source, &st) < 0)
                r = -errno;
        if (r == 0 && st.st_ino != level->inode_above)
                r = -ESTALE; /* a process that was not paused has moved it */
        if (r == 0)
                r = copy_metadata(copying, name, &level->st, 0);
        if (r == 0) {
                copying->path[level->length] = '\0';
                drop_level(copying);
        }
        return r;
}

/* Whether mayfly has made the file, for a container of this name and these neighbours: /etc/hosts in the root. */
static int is_mayflys(const char *path)
{
        return strcmp(path, "upper/etc/hosts") == 0;
}

/* Copies the entry, or goes there if it is a directory. Its path is in copying->path then; after a failure it stays there. */
static int visit(struct copying *copying, const char *name)
{
        size_t length = strlen(copying->path), more = strlen(name);
        struct stat st;

        if (length + 1 + more + 1 > sizeof(copying->path))
                return -ENAMETOOLONG;
        if (length > 0)
                copying->path[length] = '/';
        memcpy(copying->path + length + (length > 0), name, more + 1);
        if (fstatat(copying->source, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        int room = is_mayflys(copying->path) ? MF_ROOM_NEEDLESS
                   : copying->merges
                           ? mf_snapshot_make_room(copying->source, copying->copy, name, &st, is_alone(copying))
                           : MF_ROOM_FREE;
        if (room >= 0 && room != MF_ROOM_NEEDLESS && S_ISDIR(st.st_mode))
                return go_down(copying, name, &st, length, (enum mf_room) room);
        int r = room < 0 ? room : 0;
        if (room == MF_ROOM_FREE)
                r = copy_leaf(copying, name, &st);
        else if (room == MF_ROOM_CONTENT)
                r = copy_metadata(copying, name, &st, 1);
        if (r == 0)
                copying->path[length] = '\0';
        return r;
}

static int copy_tree(struct copying *copying, int from, int to, const char *name)
{
        copying->source = fcntl(from, F_DUPFD_CLOEXEC, 3);
        copying->copy = fcntl(to, F_DUPFD_CLOEXEC, 3);
        int r = copying->source < 0 || copying->copy < 0 ? -errno : visit(copying, name);

        while (r == 0 && copying->level) {
                struct level *level = copying->level;
                const char *next = level->names ? level->names[level->next] : NULL;
                level->next += next != NULL;
                r = next ? visit(copying, next) : go_up(copying);
        }
        return r;
}

static void clear(struct copying *copying)
{
        for (size_t i = 0; i < BUCKETS; i++)
                while (copying->linked[i]) {
                        struct linked *next = copying->linked[i]->next;
                        free(copying->linked[i]);
                        copying->linked[i] = next;
                }
        while (copying->level)
                drop_level(copying);
        mf_close(copying->source);
        mf_close(copying->copy);
        free(copying->buffer);
        free(copying);
}

static int copy(int from, int to, const char *name, int merges, const struct mf_shift *shift, char *failed, size_t size)
{
        struct copying *copying = calloc(1, sizeof(*copying));

        if (!copying)
                return -ENOMEM;
        copying->to = to;
        copying->source = copying->copy = -1;
        copying->merges = merges;
        copying->shift = *shift;
        copying->buffer = malloc(BUFFER_SIZE);
        int r = copying->buffer ? copy_tree(copying, from, to, name) : -ENOMEM;
        if (r < 0)
                snprintf(failed, size, "%s", copying->path);
        clear(copying);
        return r;
}

int mf_snapshot_copy(int from, int to, const char *name, uint32_t ids, uint32_t n_ids, char *failed, size_t size)
{
        return copy(from, to, name, 0, &(struct mf_shift){ ids, n_ids }, failed, size);
}

int mf_snapshot_merge(int from, int to, const char *name, uint32_t ids, uint32_t n_ids, char *failed, size_t size)
{
        return copy(from, to, name, 1, &(struct mf_shift){ ids, n_ids }, failed, size);
}
