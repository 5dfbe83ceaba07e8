/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tree/receive.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree/record.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"

#define TEMPORARY_SIZE 40
#define LINKS_MAX ((uint64_t) 1 << 24) /* files with several names */

/* A directory that is being filled. */
struct level {
        int fd;
        int is_new; /* nobody else knows of it: its files need no other name until they are whole */
        size_t path_length;
        struct mf_tree_record record;
};

struct receiver {
        struct mf_stream *stream;
        const struct mf_tree_target *target;
        struct mf_tree_entry entry; /* the one at hand */
        char path[PATH_MAX];        /* of it, below the top */
        struct level *levels;
        size_t n_levels, levels_allocated;
        struct mf_strings links; /* paths of files with several names, by number from 1 on */
        uint64_t bytes, entries; /* so far */
        uint64_t number;         /* of the temporary names */
        char temporary[TEMPORARY_SIZE];
        struct mayfly_error *err;
};

/* Says what failed with the current file. */
static int failed(const struct receiver *receiver, int r, const char *what)
{
        const struct mf_tree_target *target = receiver->target;
        const char *remedy = "";

        if (r == -ENOSPC && *target->where)
                remedy = "; remove something, or raise the spec's scratch_size";
        else if (r == -EINVAL && *target->where)
                remedy = "; the container may not have that user or group: set the spec's userns_ids";
        else if (r == -EPERM && !*target->where && target->keep_owners)
                remedy = "; only root can keep the owners";
        else if (r == -EBUSY)
                remedy = "; a volume is mounted there";
        else if (r == -EXDEV)
                remedy =
                        "; its other name is outside of this volume, or in one: put what is below the volume by itself";
        else if (r == -EROFS)
                remedy = "; choose a path outside of read-only volumes";
        return mf_error(receiver->err, r, MAYFLY_STAGE_FILES, "%s%s%s cannot be %s: %s%s", target->label,
                        receiver->path, target->where, what, strerror(-r), remedy);
}

static int malformed(const struct receiver *receiver)
{
        return mf_error(receiver->err, -EPROTO, MAYFLY_STAGE_FILES,
                        "the stream of files has something that is not mayfly's; install the library and its helper "
                        "programs together");
}

static int too_much(const struct receiver *receiver, uint64_t max, const char *what, const char *option)
{
        return mf_error(receiver->err, -EFBIG, MAYFLY_STAGE_FILES,
                        "what %s is to be a copy of has more than %llu %s; raise %s, or copy it in parts",
                        receiver->target->label, (unsigned long long) max, what, option);
}

/* The next record of the stream. */
static int next_entry(struct receiver *receiver)
{
        const uint64_t max = receiver->target->max_entries;

        int r = mf_tree_entry_get(receiver->stream, &receiver->entry);
        if (r == 0 && receiver->entry.record.type != MF_TREE_END && ++receiver->entries > max && max)
                return too_much(receiver, max, "files and directories", "max_entries");
        return r == -EPROTO ? malformed(receiver) : r;
}

/* Counts bytes of content that are about to come. */
static int count_bytes(struct receiver *receiver, uint64_t n)
{
        const uint64_t max = receiver->target->max_bytes;

        if (max && n > max - receiver->bytes)
                return too_much(receiver, max, "bytes", "max_bytes");
        receiver->bytes += n;
        return 0;
}

static void choose_temporary(struct receiver *receiver)
{
        snprintf(receiver->temporary, sizeof(receiver->temporary), ".mayfly-%016llx",
                 (unsigned long long) receiver->number++);
}

/* --- attributes ----------------------------------------------------------------------------------------------- */

static uid_t uid_of(const struct receiver *receiver, const struct mf_tree_record *record)
{
        return receiver->target->keep_owners ? record->uid : receiver->target->uid;
}

static gid_t gid_of(const struct receiver *receiver, const struct mf_tree_record *record)
{
        return receiver->target->keep_owners ? record->gid : receiver->target->gid;
}

static mode_t mode_of(const struct receiver *receiver, const struct mf_tree_record *record)
{
        return record->mode & (receiver->target->keep_owners || receiver->target->keep_set_ids ? 07777 : 01777);
}

/* Sets the attributes of users, or else the others. */
static int set_attributes(const struct receiver *receiver, int fd, int of_users)
{
        const void *value;
        const char *name;
        size_t at = 0, size;
        int r;

        while ((r = mf_tree_xattr_next(&receiver->entry.xattrs, &at, &name, &value, &size)) > 0) {
                const int is_users = strncmp(name, "user.", 5) == 0;
                if (is_users != of_users || (!is_users && !receiver->target->keep_owners))
                        continue;
                if (fsetxattr(fd, name, value, size, 0) < 0 && errno != ENOTSUP)
                        return failed(receiver, -errno, "given its extended attributes");
        }
        return r < 0 ? malformed(receiver) : 0;
}

/* Gives owner, mode and time to an open file. The owner comes first: a change of it takes away capabilities and set-user-ID. */
static int finish(const struct receiver *receiver, int fd, const struct mf_tree_record *record)
{
        const struct timespec times[2] = { { 0, UTIME_OMIT }, { record->mtime_s, record->mtime_ns } };
        const uid_t uid = uid_of(receiver, record);
        const gid_t gid = gid_of(receiver, record);
        struct stat st;

        if (fstat(fd, &st) < 0)
                return failed(receiver, -errno, "given its owner");
        int is_own = (uid == (uid_t) -1 || uid == st.st_uid) && (gid == (gid_t) -1 || gid == st.st_gid);
        if (!is_own && fchown(fd, uid, gid) < 0)
                return failed(receiver, -errno, "given its owner");
        if (fchmod(fd, mode_of(receiver, record)) < 0 || futimens(fd, times) < 0)
                return failed(receiver, -errno, "given its mode and time");
        return 0;
}

/* The same for what is changed by its name: a symbolic link or a FIFO. */
static int finish_name(const struct receiver *receiver, int directory, const char *name)
{
        const struct mf_tree_record *record = &receiver->entry.record;
        const struct timespec times[2] = { { 0, UTIME_OMIT }, { record->mtime_s, record->mtime_ns } };

        if (fchownat(directory, name, uid_of(receiver, record), gid_of(receiver, record), AT_SYMLINK_NOFOLLOW) < 0 ||
            (record->type == MF_TREE_FIFO && fchmodat(directory, name, mode_of(receiver, record), 0) < 0) ||
            utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW) < 0)
                return failed(receiver, -errno, "given its owner, mode and time");
        return 0;
}

/* --- files ---------------------------------------------------------------------------------------------------- */

/* Writes one chunk of the file. */
static int write_chunk(const struct receiver *receiver, int fd, const struct mf_tree_chunk *chunk)
{
        uint64_t done = 0;

        while (done < chunk->size) {
                const void *piece;
                size_t size;
                int r = mf_stream_piece(receiver->stream, chunk->size - done, &piece, &size);
                if (r < 0)
                        return r;
                for (size_t at = 0; at < size;) {
                        ssize_t n =
                                pwrite(fd, (const char *) piece + at, size - at, (off_t) (chunk->offset + done + at));
                        if (n < 0 && errno != EINTR)
                                return failed(receiver, -errno, "written");
                        at += n > 0 ? (size_t) n : 0;
                }
                done += size;
        }
        return 0;
}

/* Writes the file's data. *ret_end is where the data ends. */
static int write_data(struct receiver *receiver, int fd, uint64_t *ret_end)
{
        struct mf_tree_chunk chunk;

        *ret_end = 0;
        for (;;) {
                int r = mf_stream_get(receiver->stream, &chunk, sizeof(chunk));
                if (r < 0 || chunk.size == 0)
                        return r;
                if (chunk.offset < *ret_end || chunk.offset > INT64_MAX || chunk.size > INT64_MAX - chunk.offset)
                        return malformed(receiver);
                r = count_bytes(receiver, chunk.size);
                if (r == 0)
                        r = write_chunk(receiver, fd, &chunk);
                if (r < 0)
                        return r;
                *ret_end = chunk.offset + chunk.size;
        }
}

static int make_file(struct receiver *receiver, int directory, const char *name)
{
        const struct mf_tree_record *record = &receiver->entry.record;
        uint64_t end;

        mf_cleanup(mf_closep) int fd =
                openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return failed(receiver, -errno, "made");
        int r = write_data(receiver, fd, &end);
        if (r == 0 && end < record->size && ftruncate(fd, (off_t) record->size) < 0)
                r = failed(receiver, -errno, "given its size");
        if (r == 0)
                r = set_attributes(receiver, fd, 1); /* the mode may forbid it later */
        if (r == 0)
                r = finish(receiver, fd, record);
        return r == 0 ? set_attributes(receiver, fd, 0) : r;
}

/* Notes the path of a file that has several names. */
static int note_link(struct receiver *receiver)
{
        const uint64_t number = receiver->entry.record.link;

        if (number == 0 || receiver->entry.record.type != MF_TREE_FILE)
                return 0;
        if (number != receiver->links.n + 1 || number > LINKS_MAX)
                return malformed(receiver);
        return mf_strings_add(&receiver->links, strdup(receiver->path)) < 0
                       ? mf_error_oom(receiver->err, MAYFLY_STAGE_FILES)
                       : 0;
}

/* Opens the directory of a file that has been made, by its path below the top, as open_old() found it. Returns a descriptor or negative
 * errno. */
static int open_made(const struct receiver *receiver, const char *path)
{
        char below[PATH_MAX + 1];

        snprintf(below, sizeof(below), ".%s", path);
        int fd = mf_open_beneath(receiver->levels[0].fd, below, O_PATH | O_DIRECTORY);
        if ((fd == -ELOOP || fd == -ENOTDIR) && receiver->target->follow)
                return receiver->target->follow(receiver->target->userdata, path);
        return fd;
}

/* Makes a hard link to a file that has been made. */
static int make_link(struct receiver *receiver, int directory, const char *name)
{
        const uint64_t number = receiver->entry.record.link;
        char parent[PATH_MAX];

        if (number == 0 || number > receiver->links.n)
                return malformed(receiver);
        snprintf(parent, sizeof(parent), "%s", receiver->links.list[number - 1]);
        char *slash = strrchr(parent, '/');
        if (!slash)
                return malformed(receiver);
        *slash = '\0';
        mf_cleanup(mf_closep) int fd = open_made(receiver, parent);
        if (fd < 0 || linkat(fd, slash + 1, directory, name, 0) < 0)
                return failed(receiver, fd < 0 ? fd : -errno, "made as a hard link");
        return 0;
}

static int make_special(struct receiver *receiver, int directory, const char *name)
{
        const int is_link = receiver->entry.record.type == MF_TREE_SYMLINK;

        if ((is_link ? symlinkat(receiver->entry.target, directory, name) : mkfifoat(directory, name, 0600)) < 0)
                return failed(receiver, -errno, "made");
        return finish_name(receiver, directory, name);
}

/* Makes what the current entry says, but a directory, under a name that is free. */
static int make(struct receiver *receiver, int directory, const char *name)
{
        switch (receiver->entry.record.type) {
        case MF_TREE_FILE:
                return make_file(receiver, directory, name);
        case MF_TREE_HARD_LINK:
                return make_link(receiver, directory, name);
        case MF_TREE_SYMLINK:
        case MF_TREE_FIFO:
                return make_special(receiver, directory, name);
        default:
                return malformed(receiver);
        }
}

/* Does the same under a name that a file may have, and replaces that when the new one is whole. */
static int replace(struct receiver *receiver, int directory, const char *name)
{
        struct stat st;

        if (fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
                return failed(receiver, -EISDIR, "replaced");
        choose_temporary(receiver);
        int r = make(receiver, directory, receiver->temporary);
        if (r == 0 && renameat(directory, receiver->temporary, directory, name) < 0)
                r = failed(receiver, -errno, "replaced");
        /* A hard link to itself is not renamed. */
        if (r < 0 || receiver->entry.record.type == MF_TREE_HARD_LINK)
                (void) unlinkat(directory, receiver->temporary, 0);
        return r;
}

/* --- directories ---------------------------------------------------------------------------------------------- */

/* Begins to fill a directory; owns fd. */
static int push(struct receiver *receiver, int fd, int is_new)
{
        struct level *levels =
                mf_grow(receiver->levels, receiver->n_levels, &receiver->levels_allocated, sizeof(*levels));

        if (!levels) {
                mf_close(fd);
                return mf_error_oom(receiver->err, MAYFLY_STAGE_FILES);
        }
        receiver->levels = levels;
        levels[receiver->n_levels++] = (struct level){
                .fd = fd, .is_new = is_new, .path_length = strlen(receiver->path), .record = receiver->entry.record
        };
        int r = is_new ? set_attributes(receiver, fd, 1) : 0;
        return r == 0 && is_new ? set_attributes(receiver, fd, 0) : r;
}

static int pop(struct receiver *receiver)
{
        struct level *level = &receiver->levels[receiver->n_levels - 1];
        int r = level->is_new ? finish(receiver, level->fd, &level->record) : 0;

        mf_close(level->fd);
        receiver->n_levels--;
        return r;
}

/* Opens a directory that is there already, by its name or where a link of this name leads. */
static int open_old(const struct receiver *receiver, int directory, const char *name)
{
        int fd = openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0 && (errno == ELOOP || errno == ENOTDIR) && receiver->target->follow)
                return receiver->target->follow(receiver->target->userdata, receiver->path);
        return fd < 0 ? -errno : fd;
}

/* Makes a directory, or takes the one that is there, and begins to fill it. */
static int enter(struct receiver *receiver, int directory, const char *name)
{
        int is_new = mkdirat(directory, name, 0700) == 0;

        if (!is_new && errno != EEXIST)
                return failed(receiver, -errno, "made");
        int fd = open_old(receiver, directory, name);
        if (fd < 0)
                return failed(receiver, fd, "used as a directory");
        return push(receiver, fd, is_new);
}

/* Makes the current entry in the directory at hand. */
static int take(struct receiver *receiver)
{
        const struct level *level = &receiver->levels[receiver->n_levels - 1];
        const char *name = receiver->entry.name;
        int r;

        receiver->path[level->path_length] = '\0';
        if (receiver->entry.record.type == MF_TREE_END)
                return pop(receiver);
        if (!*name)
                return malformed(receiver);
        if ((size_t) snprintf(receiver->path + level->path_length, sizeof(receiver->path) - level->path_length, "/%s",
                              name) >= sizeof(receiver->path) - level->path_length)
                return failed(receiver, -ENAMETOOLONG, "made");
        if (receiver->entry.record.type == MF_TREE_DIRECTORY)
                return enter(receiver, level->fd, name);
        r = level->is_new ? make(receiver, level->fd, name) : replace(receiver, level->fd, name);
        return r == 0 ? note_link(receiver) : r;
}

/* Makes all that is in the directory that was pushed last. */
static int fill(struct receiver *receiver)
{
        int r = 0;

        while (r == 0 && receiver->n_levels > 0) {
                r = next_entry(receiver);
                if (r == 0)
                        r = take(receiver);
        }
        while (receiver->n_levels > 0)
                mf_close(receiver->levels[--receiver->n_levels].fd);
        return r;
}

/* Fills a directory that is there. */
static int merge(struct receiver *receiver)
{
        int fd = openat(receiver->target->into, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return failed(receiver, -errno, "opened");
        int r = push(receiver, fd, 0);
        return r == 0 ? fill(receiver) : r;
}

/* Makes the tree under another name, and gives it its own when it is whole. */
static int make_tree(struct receiver *receiver)
{
        const struct mf_tree_target *target = receiver->target;
        char name[TEMPORARY_SIZE];
        struct stat st;

        if (fstatat(target->parent, target->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return failed(receiver, -EEXIST, "made as a directory");
        choose_temporary(receiver);
        snprintf(name, sizeof(name), "%s", receiver->temporary);
        int r = enter(receiver, target->parent, name);
        if (r == 0)
                r = fill(receiver);
        if (r == 0 && renameat2(target->parent, name, target->parent, target->name, RENAME_NOREPLACE) < 0)
                r = failed(receiver, -errno, "made as a directory");
        if (r < 0)
                (void) mf_remove_tree(target->parent, name);
        return r;
}

static int receive(struct receiver *receiver)
{
        const struct mf_tree_target *target = receiver->target;

        int r = next_entry(receiver);
        if (r < 0)
                return r;
        if (receiver->entry.record.type == MF_TREE_DIRECTORY)
                return target->into >= 0 ? merge(receiver) : make_tree(receiver);
        if (target->into >= 0)
                return mf_error(receiver->err, -EISDIR, MAYFLY_STAGE_FILES,
                                "%s%s is a directory; give the path of the file in it", target->label, target->where);
        return receiver->entry.record.type == MF_TREE_HARD_LINK ? malformed(receiver)
                                                                : replace(receiver, target->parent, target->name);
}

int mf_tree_receive(struct mf_stream *stream, const struct mf_tree_target *target, struct mayfly_error *err)
{
        struct receiver *receiver = calloc(1, sizeof(*receiver));

        if (!receiver)
                return mf_error_oom(err, MAYFLY_STAGE_FILES);
        receiver->stream = stream;
        receiver->target = target;
        receiver->err = err;
        int r = getrandom(&receiver->number, sizeof(receiver->number), 0) < 0 ? failed(receiver, -errno, "made") : 0;
        if (r == 0)
                r = receive(receiver);
        mf_strings_clear(&receiver->links);
        mf_tree_entry_clear(&receiver->entry);
        free(receiver->levels);
        free(receiver);
        return r;
}

/* Adds zeros for a hole, which ends at `end`. */
static int add_hole(struct mf_buffer *data, uint64_t end)
{
        static const char zeros[4096];
        int r = 0;

        while (r == 0 && data->size < end)
                r = mf_buffer_add(data, zeros,
                                  end - data->size < sizeof(zeros) ? (size_t) (end - data->size) : sizeof(zeros));
        return r;
}

/* Adds the data of one chunk, and zeros for the hole before it. */
static int add_chunk(struct mf_stream *stream, const struct mf_tree_chunk *chunk, size_t max, struct mf_buffer *data)
{
        uint64_t left = chunk->size;

        if (chunk->offset < data->size || chunk->offset > max || chunk->size > max - chunk->offset)
                return chunk->offset < data->size ? -EPROTO : -EFBIG;
        int r = add_hole(data, chunk->offset);
        while (r == 0 && left > 0) {
                const void *piece;
                size_t size;
                r = mf_stream_piece(stream, left, &piece, &size);
                if (r == 0)
                        r = mf_buffer_add(data, piece, size);
                left -= r == 0 ? size : 0;
        }
        return r;
}

int mf_tree_receive_data(struct mf_stream *stream, size_t max, char **ret, size_t *ret_size)
{
        mf_cleanup(mf_tree_entry_clear) struct mf_tree_entry entry = { .record = { .type = 0 } };
        mf_cleanup(mf_buffer_clear) struct mf_buffer data = { 0 };
        struct mf_tree_chunk chunk = { 0 };

        int r = mf_tree_entry_get(stream, &entry);
        if (r == 0 && entry.record.type != MF_TREE_FILE)
                r = -EPROTO;
        if (r == 0 && entry.record.size > max)
                r = -EFBIG;
        while (r == 0) {
                r = mf_stream_get(stream, &chunk, sizeof(chunk));
                if (r < 0 || chunk.size == 0)
                        break;
                r = add_chunk(stream, &chunk, max, &data);
        }
        if (r == 0)
                r = add_hole(&data, entry.record.size); /* at the end */
        if (r == 0)
                r = mf_buffer_add(&data, "", 0); /* for the NUL of an empty one */
        if (r < 0)
                return r;
        *ret_size = data.size;
        *ret = mf_take(data.data);
        return 0;
}
