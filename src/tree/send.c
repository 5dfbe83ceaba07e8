/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree/send.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "archive/xattr.h"
#include "tree/kernel-fs.h"
#include "tree/record.h"
#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/strv.h"

#define DEPTH_MAX 200U                    /* each level has two descriptors open */
#define UNSIZED_MAX ((uint64_t) 16 << 20) /* of a file of the kernel, which does not tell its size */
#define CHUNK_MIN (sizeof(struct mf_tree_chunk) + 4096)

struct sender {
        struct mf_stream *stream;
        const struct mf_tree_source *source;
        void *links; /* a tree of struct link */
        uint64_t n_links;
        struct mf_tree_entry entry; /* the one at hand */
        char path[PATH_MAX];        /* of it, below the top */
        char value[XATTR_SIZE_MAX];
        struct mayfly_error *err;
};

/* A file that has several names. */
struct link {
        dev_t device;
        ino_t inode;
        uint64_t number;
};

/* Says that the current file cannot be sent, and why. Returns r. */
static int failed(const struct sender *sender, int r, const char *why)
{
        return mf_error(sender->err, r, MAYFLY_STAGE_FILES, "%s%s%s %s", sender->source->label, sender->path,
                        sender->source->where, why);
}

/* Says that the current file cannot be read, for the error r. */
static int unreadable(const struct sender *sender, int r, const char *what)
{
        return mf_error_errno(sender->err, r, MAYFLY_STAGE_FILES, "%s of %s%s%s cannot be read", what,
                              sender->source->label, sender->path, sender->source->where);
}

/* --- data ----------------------------------------------------------------------------------------------------- */

static int changed(const struct sender *sender)
{
        return failed(sender, -EBUSY, "changed while it was read; get it again when nothing writes to it");
}

/* Ends a file's data. */
static int end_data(struct mf_stream *stream)
{
        const struct mf_tree_chunk end = { 0 };

        return mf_stream_put(stream, &end, sizeof(end));
}

/* Reads up to `size` bytes from the file into the stream's buffer, as one chunk. Returns their number or negative errno. */
static ssize_t send_chunk(struct sender *sender, int fd, uint64_t offset, uint64_t size)
{
        struct mf_tree_chunk chunk = { .offset = offset };
        size_t place;
        char *room;

        int r = mf_stream_room(sender->stream, size + sizeof(chunk) < CHUNK_MIN ? size + sizeof(chunk) : CHUNK_MIN,
                               &room, &place);
        if (r < 0)
                return r;
        place -= sizeof(chunk);
        ssize_t n = pread(fd, room + sizeof(chunk), size < place ? (size_t) size : place, (off_t) offset);
        if (n < 0)
                return unreadable(sender, -errno, "the content");
        if (n == 0)
                return 0;
        chunk.size = (uint64_t) n;
        memcpy(room, &chunk, sizeof(chunk));
        mf_stream_filled(sender->stream, sizeof(chunk) + (size_t) n);
        return n;
}

/* Sends the data from `offset` to `end`. */
static int send_segment(struct sender *sender, int fd, uint64_t offset, uint64_t end)
{
        while (offset < end) {
                ssize_t n = send_chunk(sender, fd, offset, end - offset);
                if (n <= 0)
                        return n < 0 ? (int) n : changed(sender);
                offset += (uint64_t) n;
        }
        return 0;
}

/* Sends what is not a hole. */
static int send_sparse(struct sender *sender, int fd, uint64_t size)
{
        int r = 0;

        for (uint64_t at = 0; r == 0 && at < size;) {
                off_t data = lseek(fd, (off_t) at, SEEK_DATA);
                if (data < 0 && errno == ENXIO)
                        return 0;
                off_t hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
                if (data < 0 || hole < 0) /* the file system knows no holes */
                        return send_segment(sender, fd, at, size);
                uint64_t end = (uint64_t) hole < size ? (uint64_t) hole : size;
                r = send_segment(sender, fd, (uint64_t) data, end);
                at = end;
        }
        return r;
}

/* Sends all of a file that says it is empty, as those of the kernel do. */
static int send_unsized(struct sender *sender, int fd)
{
        uint64_t offset = 0;
        ssize_t n;

        while ((n = send_chunk(sender, fd, offset, MF_STREAM_BUFFER)) > 0) {
                offset += (uint64_t) n;
                if (offset > UNSIZED_MAX)
                        return failed(sender, -EFBIG, "has no end, or none that it tells");
        }
        return (int) n;
}

/* Sends a file's data, which must not change meanwhile. */
static int send_data(struct sender *sender, int fd, const struct stat *st)
{
        const uint64_t size = (uint64_t) st->st_size;
        struct stat after;
        int r;

        if (size == 0)
                r = send_unsized(sender, fd);
        else if ((uint64_t) st->st_blocks * 512 < size)
                r = send_sparse(sender, fd, size);
        else
                r = send_segment(sender, fd, 0, size);
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0 || after.st_mtim.tv_sec != st->st_mtim.tv_sec ||
            after.st_mtim.tv_nsec != st->st_mtim.tv_nsec || after.st_size != st->st_size)
                return changed(sender);
        return end_data(sender->stream);
}

/* --- one file ------------------------------------------------------------------------------------------------- */

static int compare_links(const void *a, const void *b)
{
        const struct link *one = a, *other = b;

        if (one->device != other->device)
                return one->device < other->device ? -1 : 1;
        return one->inode < other->inode ? -1 : one->inode > other->inode;
}

/* Sets the entry's `link`. Returns 1 when the file was sent under another name, 0 when not, or -ENOMEM. */
static int find_link(struct sender *sender, const struct stat *st)
{
        if (st->st_nlink < 2)
                return 0;
        struct link *link = malloc(sizeof(*link)), **found = NULL;
        if (link) {
                *link = (struct link){ st->st_dev, st->st_ino, sender->n_links + 1 };
                found = tsearch(link, &sender->links, compare_links);
        }
        if (!found) {
                free(link);
                return mf_error_oom(sender->err, MAYFLY_STAGE_FILES);
        }
        sender->entry.record.link = (*found)->number;
        if (*found == link) {
                sender->n_links++;
                return 0;
        }
        free(link);
        return 1;
}

/* Reads the attributes into the entry. */
static int read_attributes(struct sender *sender, int fd)
{
        mf_cleanup(mf_freep) char *names = NULL;
        ssize_t size = flistxattr(fd, NULL, 0);
        int r = 0;

        if (size <= 0)
                return size == 0 || errno == ENOTSUP ? 0 : unreadable(sender, -errno, "the list of attributes");
        names = malloc((size_t) size);
        if (!names)
                return mf_error_oom(sender->err, MAYFLY_STAGE_FILES);
        size = flistxattr(fd, names, (size_t) size);
        for (char *name = names; r == 0 && size > 0 && name < names + size; name += strlen(name) + 1) {
                if (!mf_xattr_is_kept(name))
                        continue;
                ssize_t n = fgetxattr(fd, name, sender->value, sizeof(sender->value));
                r = n < 0 ? -errno : mf_tree_xattr_add(&sender->entry.xattrs, name, sender->value, (size_t) n);
        }
        return size < 0 || r < 0 ? unreadable(sender, size < 0 ? -EBUSY : r, "the attributes") : 0;
}

static int put(struct sender *sender)
{
        return mf_tree_entry_put(sender->stream, &sender->entry);
}

/* Opens what the O_PATH descriptor is of. Not to wait for a lease, nor for a file of the kernel: O_NONBLOCK. */
static int open_again(const struct sender *sender, int fd, int flags)
{
        char number[16];

        snprintf(number, sizeof(number), "%d", fd);
        int opened = openat(sender->source->proc, number, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | flags);
        return opened < 0 ? -errno : opened;
}

static int send_file(struct sender *sender, int path_fd, const struct stat *st)
{
        struct mf_tree_record *record = &sender->entry.record;

        int r = find_link(sender, st);
        record->type = r > 0 ? MF_TREE_HARD_LINK : MF_TREE_FILE;
        if (r != 0)
                return r < 0 ? r : put(sender);
        mf_cleanup(mf_closep) int fd = open_again(sender, path_fd, 0);
        if (fd < 0)
                return unreadable(sender, fd, "the content");
        record->size = (uint64_t) st->st_size;
        r = read_attributes(sender, fd);
        if (r == 0)
                r = put(sender);
        return r == 0 ? send_data(sender, fd, st) : r;
}

static int send_symlink(struct sender *sender, int path_fd)
{
        ssize_t n = readlinkat(path_fd, "", sender->entry.target, sizeof(sender->entry.target) - 1);

        if (n <= 0)
                return unreadable(sender, n < 0 ? -errno : -ENOENT, "the target");
        sender->entry.target[n] = '\0';
        sender->entry.record.type = MF_TREE_SYMLINK;
        return put(sender);
}

/* --- trees ---------------------------------------------------------------------------------------------------- */

static int send_entry(struct sender *sender, int path_fd, const char *name, unsigned depth);

static int send_child(struct sender *sender, int directory, const char *name, unsigned depth)
{
        const size_t length = strlen(sender->path);
        int r;

        if ((size_t) snprintf(sender->path + length, sizeof(sender->path) - length, "/%s", name) >=
            sizeof(sender->path) - length) {
                sender->path[length] = '\0';
                return failed(sender, -ENAMETOOLONG, "has files whose paths are too long; shorten them");
        }
        mf_cleanup(mf_closep) int fd = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                r = errno == ENOENT ? 0 : unreadable(sender, -errno, "the status"); /* it was removed meanwhile */
        else
                r = send_entry(sender, fd, name, depth);
        sender->path[length] = '\0';
        return r;
}

static int send_children(struct sender *sender, int fd, unsigned depth)
{
        char **names = NULL;

        int r = mf_dir_names_up_to(fd, sender->source->max_names ? sender->source->max_names : SIZE_MAX, &names);
        if (r == -EFBIG)
                return failed(sender, r, "has more files than max_entries allows; raise that, or copy them in parts");
        if (r < 0)
                return unreadable(sender, r, "the list of files");
        for (char **name = names; r == 0 && *name; name++)
                r = send_child(sender, fd, *name, depth + 1);
        mf_strv_free(names);
        return r;
}

static int send_directory(struct sender *sender, int path_fd, unsigned depth)
{
        if (sender->source->is_file)
                return failed(sender, -EISDIR, "is a directory, and not one file");
        if (depth > DEPTH_MAX)
                return failed(sender, -ELOOP, "lies more than 200 directories deep; copy it by itself");
        if (mf_kernel_fs(path_fd))
                return failed(sender, -EINVAL, "is made up by the kernel; copy single files of it");
        mf_cleanup(mf_closep) int fd = open_again(sender, path_fd, O_DIRECTORY);
        if (fd < 0)
                return unreadable(sender, fd, "the list of files");
        sender->entry.record.type = MF_TREE_DIRECTORY;
        int r = read_attributes(sender, fd);
        if (r == 0)
                r = put(sender);
        if (r == 0)
                r = send_children(sender, fd, depth);
        if (r < 0)
                return r;
        mf_tree_entry_clear(&sender->entry);
        sender->entry.record = (struct mf_tree_record){ .type = MF_TREE_END };
        sender->entry.name[0] = '\0';
        return put(sender);
}

/* Sends what no content is read of, and says what cannot be sent. */
static int send_special(struct sender *sender, mode_t type, unsigned depth)
{
        if (type == S_IFSOCK && depth > 0)
                return 0;
        if (type == S_IFSOCK)
                return failed(sender, -EINVAL, "is a socket, which cannot be copied");
        if (type != S_IFIFO)
                return failed(sender, -EINVAL, "is a device, which cannot be copied");
        if (depth == 0)
                return failed(sender, -EINVAL, "is a FIFO, which has no content to copy");
        sender->entry.record.type = MF_TREE_FIFO;
        return put(sender);
}

static int send_entry(struct sender *sender, int path_fd, const char *name, unsigned depth)
{
        struct stat st;

        if (fstat(path_fd, &st) < 0)
                return unreadable(sender, -errno, "the status");
        mf_tree_entry_clear(&sender->entry);
        sender->entry.record = (struct mf_tree_record){ .mode = st.st_mode & 07777,
                                                        .uid = st.st_uid,
                                                        .gid = st.st_gid,
                                                        .mtime_s = st.st_mtim.tv_sec,
                                                        .mtime_ns = (uint32_t) st.st_mtim.tv_nsec };
        snprintf(sender->entry.name, sizeof(sender->entry.name), "%s", name);
        if (S_ISREG(st.st_mode) && sender->source->has_mode)
                sender->entry.record.mode = sender->source->mode;
        if (S_ISREG(st.st_mode))
                return send_file(sender, path_fd, &st);
        if (S_ISDIR(st.st_mode))
                return send_directory(sender, path_fd, depth);
        return S_ISLNK(st.st_mode) ? send_symlink(sender, path_fd) : send_special(sender, st.st_mode & S_IFMT, depth);
}

int mf_tree_send(struct mf_stream *stream, const struct mf_tree_source *source, struct mayfly_error *err)
{
        struct sender *sender = calloc(1, sizeof(*sender));

        if (!sender)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        sender->stream = stream;
        sender->source = source;
        sender->err = err;
        int r = send_entry(sender, source->fd, "", 0);
        if (r == 0)
                r = mf_stream_flush(stream);
        tdestroy(sender->links, free);
        mf_tree_entry_clear(&sender->entry);
        free(sender);
        return r;
}

int mf_tree_send_data(struct mf_stream *stream, const void *data, size_t size, mode_t mode)
{
        const struct mf_tree_chunk chunk = { .size = size };
        struct mf_tree_entry entry = { .record = { .type = MF_TREE_FILE, .mode = mode, .size = size } };
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        entry.record.mtime_s = now.tv_sec;
        entry.record.mtime_ns = (uint32_t) now.tv_nsec;
        int r = mf_tree_entry_put(stream, &entry);
        if (r == 0 && size > 0)
                r = mf_stream_put(stream, &chunk, sizeof(chunk));
        if (r == 0)
                r = mf_stream_put(stream, data, size);
        if (r == 0)
                r = end_data(stream);
        return r == 0 ? mf_stream_flush(stream) : r;
}
