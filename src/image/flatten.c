/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/flatten.h"

#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/read.h"
#include "archive/tar.h"
#include "store/unpack-errors.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/macro.h"

/* The bytes of a file, from a place on. */
struct reader {
        int fd;
        uint64_t at, size;
        char block[65536];
};

/* What an entry of a tar has, whatever it is called in the end: its hard links have it, too. */
struct file {
        struct file *next;
        int fd;
        uint64_t at;         /* of its first header in the tar */
        const char *written; /* the name that it has in the result; NULL before it is written */
};

/* A path. The layers have numbers from 1 on. */
struct node {
        char *path;
        struct node *parent; /* of the directory that the path is in; NULL: none */
        struct file *file;   /* of the highest layer that has an entry; NULL: none */
        int is_directory;
        size_t layer;  /* of that entry */
        size_t gone;   /* entries of lower layers than this one are not to be seen at the path */
        size_t hides;  /* nor below it */
        int is_needed; /* something below it is to be seen; so it is with those above it, which have been checked */
};

struct mf_flat {
        void *nodes; /* a tree of search.h, by path */
        struct file *files;
        size_t n_layers;
        atomic_uint_least64_t *entries; /* of all layers, with the directories that have none */
        uint64_t max_entries;
        size_t implied; /* bytes of the paths of those directories */
        struct reader reader;
};

static int compare(const void *a, const void *b)
{
        const struct node *one = a, *other = b;

        return strcmp(one->path, other->path);
}

struct mf_flat *mf_flat_new(atomic_uint_least64_t *entries, uint64_t max_entries)
{
        struct mf_flat *flat = calloc(1, sizeof(*flat));

        if (flat) {
                flat->entries = entries;
                flat->max_entries = max_entries;
        }
        return flat;
}

static void free_node(void *data)
{
        struct node *node = data;

        free(node->path);
        free(node);
}

struct mf_flat *mf_flat_free(struct mf_flat *flat)
{
        if (!flat)
                return NULL;
        tdestroy(flat->nodes, free_node);
        for (struct file *file = flat->files, *next; file; file = next) {
                next = file->next;
                free(file);
        }
        free(flat);
        return NULL;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

static ssize_t next_piece(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct reader *reader = userdata;
        ssize_t n;

        do
                n = pread(reader->fd, reader->block, sizeof(reader->block), (off_t) reader->at);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the copy of a layer cannot be read");
        reader->at += (uint64_t) n;
        *ret = reader->block;
        return n;
}

static int skip(void *userdata, uint64_t size, struct mayfly_error *err)
{
        struct reader *reader = userdata;

        if (size > reader->size - reader->at)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE, "the archive ends in the middle of an entry");
        reader->at += size;
        return 0;
}

/* Begins to read the tar `fd` at a place. Returns NULL when memory is short. */
static struct mf_tar *open_tar(struct mf_flat *flat, int fd, uint64_t at)
{
        off_t end = lseek(fd, 0, SEEK_END);
        struct mf_tar *tar = mf_tar_new(next_piece, &flat->reader);

        flat->reader.fd = fd;
        flat->reader.at = at;
        flat->reader.size = end < 0 ? 0 : (uint64_t) end;
        if (tar)
                mf_tar_may_lack_end(tar);
        return tar;
}

/* --- what is to be seen ------------------------------------------------------------------------------------------- */

static struct node *find(const struct mf_flat *flat, const char *path)
{
        const struct node key = { .path = (char *) path };
        struct node **found = tfind(&key, &flat->nodes, compare);

        return found ? *found : NULL;
}

/* Counts a directory that is there only because something is in it. One entry can have thousands of them above it. Returns 0 or -EFBIG. */
static int count_implied(struct mf_flat *flat, const char *path, struct mayfly_error *err)
{
        flat->implied += strlen(path) + 1;
        if (flat->implied > MF_LISTED_MAX)
                return mf_too_long_lists(err, MF_LISTED_MAX);
        return atomic_fetch_add(flat->entries, 1) + 1 > flat->max_entries ? mf_too_many_entries(err, flat->max_entries)
                                                                          : 0;
}

/* Makes the node of a path. Returns NULL when memory is short. */
static struct node *make(struct mf_flat *flat, const char *path)
{
        struct node *node = calloc(1, sizeof(*node));

        if (node)
                node->path = strdup(path);
        if (node && node->path && tsearch(node, &flat->nodes, compare))
                return node;
        if (node)
                free_node(node);
        return NULL;
}

/* Shortens a path to that of its directory. Returns 0 when it has none. */
static int to_parent(char *path)
{
        char *slash = strrchr(path, '/');

        if (slash)
                *slash = '\0';
        return slash != NULL;
}

/* Sets *ret to the node of a path, made if it is missing, with those of all directories above it. Returns 0 or negative errno. */
static int get(struct mf_flat *flat, const char *of, struct node **ret, struct mayfly_error *err)
{
        struct node *child = NULL;
        char path[PATH_MAX];
        int is_new;

        strcpy(path, of);
        do {
                struct node *node = find(flat, path);
                is_new = !node;
                int r = is_new && child ? count_implied(flat, path, err) : 0;
                if (r < 0)
                        return r;
                if (is_new && !(node = make(flat, path)))
                        return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
                *(child ? &child->parent : ret) = node;
                child = node;
        } while (is_new && to_parent(path));
        return 0;
}

/* Whether the path has an entry that no higher layer hides. */
static int is_visible(const struct node *node)
{
        if (!node->file || node->layer < node->gone)
                return 0;
        for (const struct node *parent = node->parent; parent; parent = parent->parent)
                if (node->layer < parent->hides)
                        return 0;
        return 1;
}

static struct file *new_file(struct mf_flat *flat, int fd, uint64_t at)
{
        struct file *file = calloc(1, sizeof(*file));

        if (file) {
                *file = (struct file){ .next = flat->files, .fd = fd, .at = at };
                flat->files = file;
        }
        return file;
}

/* Puts an entry at its path. Returns 0 or negative errno. */
static int put(struct mf_flat *flat, const struct mf_flat_place *place, const struct mf_entry *entry, uint64_t at,
               struct mayfly_error *err)
{
        struct node *node;
        struct file *file;

        if (*place->target) {
                const struct node *target = find(flat, place->target);
                if (!target || target->is_directory || !is_visible(target))
                        return mf_entry_bad(err, entry, MF_ENTRY_LINKS_TO_NONE);
                file = target->file;
        } else {
                file = new_file(flat, flat->reader.fd, at);
        }
        if (!file)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        int r = get(flat, place->path, &node, err);
        if (r < 0)
                return r;
        node->file = file;
        node->layer = flat->n_layers;
        node->is_directory = !*place->target && S_ISDIR(entry->mode);
        if (!node->is_directory)
                node->hides = flat->n_layers;
        return 0;
}

/* Notes what an entry means. Returns 0 or negative errno. */
static int note(struct mf_flat *flat, const struct mf_flat_place *place, const struct mf_entry *entry, uint64_t at,
                struct mayfly_error *err)
{
        struct node *node;
        int r;

        if (place->is_ignored)
                return 0;
        if (!place->is_gone && !place->is_opaque) {
                r = mf_entry_check(entry, err);
                return r == 0 ? put(flat, place, entry, at, err) : r;
        }
        r = get(flat, place->path, &node, err);
        if (r < 0)
                return r;
        node->hides = flat->n_layers;
        if (place->is_gone)
                node->gone = flat->n_layers;
        return 0;
}

int mf_flat_add(struct mf_flat *flat, int fd, mf_flat_rule *rule, void *userdata, struct mayfly_error *err)
{
        struct mf_tar *tar = open_tar(flat, fd, 0);
        mf_cleanup(mf_freep) struct mf_flat_place *place = calloc(1, sizeof(*place));
        struct mf_entry entry;
        int r = -ENOMEM;

        flat->n_layers++;
        if (tar && place) {
                mf_tar_set_skip(tar, skip);
                while ((r = mf_tar_next(tar, &entry, err)) > 0) {
                        const uint64_t at = mf_tar_begin(tar);
                        *place = (struct mf_flat_place){ 0 };
                        r = rule(userdata, &entry, place, err);
                        if (r == 0)
                                r = note(flat, place, &entry, at, err);
                        if (r < 0)
                                break;
                }
        }
        mf_tar_free(tar);
        return r == -ENOMEM ? mf_error_oom(err, MAYFLY_STAGE_ARCHIVE) : r;
}

int mf_flat_text(struct mf_flat *flat, const char *path, size_t max, char **ret, struct mayfly_error *err)
{
        const struct node *node = find(flat, path);
        struct mf_entry entry;

        if (!node || !is_visible(node))
                return -ENOENT;
        struct mf_tar *tar = open_tar(flat, node->file->fd, node->file->at);
        int r = tar ? mf_tar_next(tar, &entry, err) : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0 || (r > 0 && (!S_ISREG(entry.mode) || entry.size > max)))
                r = -ENOENT;
        if (r > 0)
                r = mf_entry_text(&entry, ret, err);
        mf_tar_free(tar);
        return r;
}

int mf_flat_make_directory(struct mf_flat *flat, const char *path, struct mayfly_error *err)
{
        struct node *node;

        if (strlen(path) >= PATH_MAX)
                return 0;
        int r = get(flat, path, &node, err);
        if (r < 0)
                return r;
        for (const struct node *at = node; at && !at->is_needed; at = at->parent)
                if (is_visible(at) && !at->is_directory)
                        return 0;
        for (; node && !node->is_needed; node = node->parent)
                node->is_needed = 1;
        return 0;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* The nodes in the order of their paths, so that a directory comes before what is in it. */
struct list {
        struct node **nodes;
        size_t n, allocated;
        int is_short; /* of memory */
};

static void collect(const void *nodep, VISIT visit, void *userdata)
{
        struct list *list = userdata;

        if ((visit != postorder && visit != leaf) || list->is_short)
                return;
        struct node **grown = mf_grow(list->nodes, list->n, &list->allocated, sizeof(*grown));
        if (!grown) {
                list->is_short = 1;
                return;
        }
        list->nodes = grown;
        list->nodes[list->n++] = *(struct node *const *) nodep;
}

/* Checks what is above an entry that is to be seen, and notes that it is needed. Returns 0 or -EBADMSG. */
static int need_parents(const struct node *node, struct mayfly_error *err)
{
        for (struct node *parent = node->parent; parent && !parent->is_needed; parent = parent->parent) {
                parent->is_needed = 1;
                if (!parent->is_directory && is_visible(parent))
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                        "\"%.300s\" of layer %zu lies below \"%.300s\" of layer %zu, which is not a "
                                        "directory; give the layer an entry for that directory",
                                        node->path, node->layer, parent->path, parent->layer);
        }
        return 0;
}

/* Writes an entry, with its data. Returns 0 or negative errno. */
static int write_file(struct mf_flat *flat, const struct node *node, struct mf_writer *writer, struct mayfly_error *err)
{
        struct mf_tar *tar = open_tar(flat, node->file->fd, node->file->at);
        struct mf_entry entry;
        const void *data;
        uint64_t offset;
        size_t size;

        int r = tar ? mf_tar_next(tar, &entry, err) : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (r == 0)
                r = mf_error(err, -EIO, MAYFLY_STAGE_ARCHIVE, "the copy of a layer has become shorter");
        if (r > 0) {
                entry.name = node->path;
                r = mf_writer_put(writer, &entry, err);
        }
        if (r == 0 && S_ISREG(entry.mode))
                while ((r = mf_tar_data(&entry, &data, &size, &offset, err)) > 0 &&
                       (r = mf_writer_data(writer, data, size, err)) == 0)
                        ;
        mf_tar_free(tar);
        return r;
}

static int write_node(struct mf_flat *flat, const struct node *node, struct mf_writer *writer, struct mayfly_error *err)
{
        if (!is_visible(node)) {
                const struct mf_entry implied = { .name = node->path, .mode = S_IFDIR | 0755 };
                return node->is_needed ? mf_writer_put(writer, &implied, err) : 0;
        }
        if (node->file->written) {
                const struct mf_entry link = { .name = node->path,
                                               .hardlink = node->file->written,
                                               .mode = S_IFREG | 0644 };
                return mf_writer_put(writer, &link, err);
        }
        node->file->written = node->path;
        return write_file(flat, node, writer, err);
}

int mf_flat_write(struct mf_flat *flat, struct mf_writer *writer, struct mayfly_error *err)
{
        struct list list = { 0 };
        int r = 0;

        twalk_r(flat->nodes, collect, &list);
        if (list.is_short)
                r = mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        for (size_t i = 0; i < list.n && r == 0; i++)
                if (is_visible(list.nodes[i]))
                        r = need_parents(list.nodes[i], err);
        for (size_t i = 0; i < list.n && r == 0; i++)
                r = write_node(flat, list.nodes[i], writer, err);
        free(list.nodes);
        return r;
}
