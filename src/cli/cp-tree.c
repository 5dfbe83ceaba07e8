/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/cp-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "archive/read.h"
#include "util/buffer.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

struct cp_directory {
        char *path;
        mode_t mode;
        uid_t uid;
        gid_t gid;
        struct timespec mtime;
};

/* A path in the tree: the directory that has it, and its last part there. */
struct spot {
        int parent;
        const char *name;
        char path[PATH_MAX];
};

static int failed(const struct mf_entry *entry, int r, struct mayfly_error *err)
{
        if (r == -ELOOP || r == -ENOTDIR)
                return mf_entry_bad(err, entry, r == -ELOOP ? MF_ENTRY_BEYOND_LINK : MF_ENTRY_BELOW_FILE);
        return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "archive entry \"%.300s\" cannot be written", entry->name);
}

/* Opens a directory of the tree without following any link. */
static int open_directory(const struct cp_tree *tree, const char *path)
{
        const struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                      .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
        int fd = (int) syscall(SYS_openat2, tree->fd, *path ? path : ".", &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* Opens the directory that is to have spot->path, and makes it, and those above it, if there is none. */
static int open_parent(const struct cp_tree *tree, struct spot *spot)
{
        char *slash = strrchr(spot->path, '/');

        spot->name = slash ? slash + 1 : spot->path;
        if (!slash) {
                spot->parent = open_directory(tree, "");
                return spot->parent;
        }
        for (char *at = strchr(spot->path, '/'); at; at = at == slash ? NULL : strchr(at + 1, '/')) {
                mf_close(spot->parent);
                *at = '\0';
                spot->parent = open_directory(tree, spot->path);
                if (spot->parent == -ENOENT) {
                        char *above = strrchr(spot->path, '/');
                        if (above)
                                *above = '\0';
                        mf_cleanup(mf_closep) int upper = open_directory(tree, above ? spot->path : "");
                        if (above)
                                *above = '/';
                        if (upper < 0 || mkdirat(upper, above ? above + 1 : spot->path, 0755) < 0)
                                return upper < 0 ? upper : -errno;
                        spot->parent = open_directory(tree, spot->path);
                }
                *at = '/';
                if (spot->parent < 0)
                        return spot->parent;
        }
        return spot->parent;
}

/* Finds the spot of a name. Returns 1, 0 for the tree itself, or negative errno with an error. */
static int find_spot(const struct cp_tree *tree, const char *name, const struct mf_entry *entry, struct spot *ret,
                     struct mayfly_error *err)
{
        const char *why;

        ret->parent = -1;
        mf_entry_normalize(name, ret->path, &why);
        if (why)
                return mf_entry_bad(err, entry, why);
        if (!*ret->path)
                return 0;
        int r = open_parent(tree, ret);
        return r < 0 ? failed(entry, r, err) : 1;
}

/* --- one entry -------------------------------------------------------------------------------------------------- */

static int note_directory(struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry)
{
        struct cp_directory *grown = mf_grow(tree->directories, tree->n, &tree->allocated, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        tree->directories = grown;
        grown[tree->n] = (struct cp_directory){ .path = strdup(spot->path),
                                                .mode = entry->mode & 07777,
                                                .uid = entry->uid,
                                                .gid = entry->gid,
                                                .mtime = entry->mtime };
        return grown[tree->n++].path ? 0 : -ENOMEM;
}

/* Forgets what an earlier entry said of a directory. */
static void forget_directory(struct cp_tree *tree, const char *path)
{
        size_t n = 0;

        for (size_t i = 0; i < tree->n; i++)
                if (strcmp(tree->directories[i].path, path) == 0)
                        free(tree->directories[i].path);
                else
                        tree->directories[n++] = tree->directories[i];
        tree->n = n;
}

static int make_directory(struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry)
{
        if (mkdirat(spot->parent, spot->name, 0700) < 0) {
                if (errno != EEXIST)
                        return -errno;
                forget_directory(tree, spot->path);
        }
        mf_cleanup(mf_closep) int fd = open_directory(tree, spot->path); /* and no link to one */
        return fd < 0 ? fd : note_directory(tree, spot, entry);
}

static int make_file(const struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry,
                     struct mayfly_error *err)
{
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, entry->mtime };
        uint64_t end = 0;

        mf_cleanup(mf_closep) int fd =
                openat(spot->parent, spot->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        int r = mf_entry_data(entry, fd, NULL, &end, err);
        if (r < 0)
                return r;
        if (ftruncate(fd, (off_t) entry->size) < 0 || (tree->keep_owners && fchown(fd, entry->uid, entry->gid) < 0) ||
            fchmod(fd, entry->mode & 07777) < 0 || futimens(fd, times) < 0)
                return -errno;
        return 0;
}

static int make_link(const struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry,
                     struct mayfly_error *err)
{
        struct spot target;
        struct stat st;

        int r = find_spot(tree, entry->hardlink, entry, &target, err);
        mf_cleanup(mf_closep) int parent = target.parent;
        if (r < 0)
                return r;
        if (r == 0 || fstatat(parent, target.name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISDIR(st.st_mode))
                return mf_entry_bad(err, entry, MF_ENTRY_LINKS_TO_NONE);
        return linkat(parent, target.name, spot->parent, spot->name, 0) < 0 ? -errno : 0;
}

static int make_other(const struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry,
                      struct mayfly_error *err)
{
        int r;

        if (S_ISLNK(entry->mode))
                r = symlinkat(entry->symlink, spot->parent, spot->name);
        else if (S_ISFIFO(entry->mode))
                r = mkfifoat(spot->parent, spot->name, entry->mode & 0777);
        else
                return mf_entry_bad(err, entry, "is a device, which mayfly cp cannot make; leave it out");
        if (r == 0 && tree->keep_owners)
                r = fchownat(spot->parent, spot->name, entry->uid, entry->gid, AT_SYMLINK_NOFOLLOW);
        return r < 0 ? -errno : 0;
}

/* Makes the file of an entry in place of one that is there: of two entries for one path the last counts. */
static int make(struct cp_tree *tree, const struct spot *spot, const struct mf_entry *entry, struct mayfly_error *err)
{
        if (S_ISDIR(entry->mode) && !entry->hardlink)
                return make_directory(tree, spot, entry);
        if (unlinkat(spot->parent, spot->name, 0) < 0 && errno != ENOENT)
                return -errno;
        if (entry->hardlink)
                return make_link(tree, spot, entry, err);
        return S_ISREG(entry->mode) ? make_file(tree, spot, entry, err) : make_other(tree, spot, entry, err);
}

int cp_tree_add(struct cp_tree *tree, const struct mf_entry *entry, struct mayfly_error *err)
{
        struct spot spot;

        int r = mf_entry_check(entry, err);
        if (r < 0)
                return r;
        r = find_spot(tree, entry->name, entry, &spot, err);
        if (r > 0)
                r = make(tree, &spot, entry, err);
        mf_close(spot.parent);
        return r < 0 ? failed(entry, r, err) : 0; /* the first error counts */
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

int cp_tree_begin(struct cp_tree *tree, const char *directory, int keep_owners, struct mayfly_error *err)
{
        *tree = (struct cp_tree){ .fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                                  .keep_owners = keep_owners };
        return tree->fd < 0 ? mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the directory %s", directory) : 0;
}

/* Gives a directory what its entry says, when nothing is written there any more. */
static int finish(const struct cp_tree *tree, const struct cp_directory *directory)
{
        const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, directory->mtime };
        mf_cleanup(mf_closep) int path = open_directory(tree, directory->path);
        mf_cleanup(mf_closep) int fd = path < 0 ? -1 : openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return path < 0 ? path : -errno;
        if ((tree->keep_owners && fchown(fd, directory->uid, directory->gid) < 0) || fchmod(fd, directory->mode) < 0 ||
            futimens(fd, times) < 0)
                return -errno;
        return 0;
}

int cp_tree_end(struct cp_tree *tree, int r, struct mayfly_error *err)
{
        while (tree->n > 0) { /* what is in a directory comes after it */
                struct cp_directory *directory = &tree->directories[--tree->n];
                int done = r < 0 ? 0 : finish(tree, directory);
                if (done < 0)
                        r = mf_error_errno(err, done, MAYFLY_STAGE_ARCHIVE, "the directory \"%.300s\" of the stream",
                                           directory->path);
                free(directory->path);
        }
        free(tree->directories);
        tree->fd = mf_close(tree->fd);
        return r;
}
