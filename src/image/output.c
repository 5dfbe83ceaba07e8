/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/dir-names.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/file-url.h"
#include "util/fs.h"
#include "util/macro.h"
#include "util/strv.h"
#include "util/temporary.h"

#define LINKS_MAX 40 /* as many as Linux follows */
#define BLOCK ((size_t) 64 * 1024)
#define LAYOUT_FILE "oci-layout" /* each layout has it */
#define DIGITS_MIN ((size_t) 32) /* of the digest of a blob */

/* --- where it goes */

/* Returns the path that the symbolic link `path` leads to, relative to the working directory if it is not absolute. The caller frees
 * it. NULL, with errno, on failure. */
static char *follow(const char *path)
{
        const char *slash = strrchr(path, '/');
        char target[PATH_MAX], *ret;
        ssize_t n = readlink(path, target, sizeof(target) - 1);

        if (n < 0)
                return NULL;
        target[n] = '\0';
        if (target[0] == '/' || !slash)
                return strdup(target);
        return asprintf(&ret, "%.*s/%s", (int) (slash - path), path, target) < 0 ? NULL : ret;
}

/* Returns 1 when an image is written to the file, such as a device, and 0 when an image replaces it; -EISDIR for a directory. */
static int is_through(const char *path)
{
        struct stat st;

        if (stat(path, &st) < 0 || S_ISREG(st.st_mode))
                return 0;
        return S_ISDIR(st.st_mode) ? -EISDIR : 1;
}

/* Whether a path is that of a layout, which is there or to be made: a directory. Returns 1 or 0. */
static int is_of_layout(const char *path)
{
        struct stat st;
        const size_t length = strlen(path);

        return (length > 1 && path[length - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* Sets output->path to where symbolic links lead, unless the image is written through them. */
static int resolve(struct mf_output *output, const char *path, int may_be_layout, struct mayfly_error *err)
{
        struct stat st;

        output->path = strdup(path);
        output->is_layout = may_be_layout && is_of_layout(path);
        for (size_t n = strlen(path); output->path && output->is_layout && n > 1 && output->path[n - 1] == '/'; n--)
                output->path[n - 1] = '\0';
        output->through = output->is_layout ? 0 : is_through(path);
        if (output->through == -EISDIR)
                return mf_error(err, -EISDIR, MAYFLY_STAGE_SPEC, "%s is a directory; name a file for the image", path);
        for (int links = 0; output->path && !output->through && lstat(output->path, &st) == 0 && S_ISLNK(st.st_mode);
             links++) {
                char *target = links < LINKS_MAX ? follow(output->path) : NULL;
                if (!target)
                        return mf_error_errno(err, links < LINKS_MAX ? -errno : -ELOOP, MAYFLY_STAGE_ARCHIVE,
                                              "the symbolic link %s cannot be followed", path);
                free(output->path);
                output->path = target;
        }
        return output->path ? 0 : mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
}

/* Opens the directory of output->path, and keeps the file's name in it. */
static int open_directory(struct mf_output *output, struct mayfly_error *err)
{
        const char *slash = strrchr(output->path, '/'), *base = slash ? slash + 1 : output->path;
        mf_cleanup(mf_freep) char *directory = strndup(output->path, (size_t) (base - output->path));

        if (!directory)
                return mf_error_oom(err, MAYFLY_STAGE_ARCHIVE);
        if (!*base || strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
                return mf_error(err, -EISDIR, MAYFLY_STAGE_SPEC,
                                "\"%.200s\" cannot be the name of the image's file; name another one", output->path);
        if (strlen(base) > NAME_MAX)
                return mf_error_errno(err, -ENAMETOOLONG, MAYFLY_STAGE_SPEC, "the file %.300s cannot be made", base);
        strcpy(output->base, base);
        output->directory = open(*directory ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return output->directory < 0 ? mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE,
                                                      "the directory %s for the image cannot be opened (make it first)",
                                                      *directory ? directory : ".")
                                     : 0;
}

/* --- the file */

/* Chooses the name that the file has until the image is whole. Returns 0 or negative errno. */
static int choose_name(struct mf_output *output)
{
        uint64_t number;

        if (getrandom(&number, sizeof(number), 0) != (ssize_t) sizeof(number))
                return -errno;
        snprintf(output->name, sizeof(output->name), ".%.200s.%016llx", output->base, (unsigned long long) number);
        return 0;
}

/* Opens the file in its directory, without a name where the file system can do that. Returns 0 or negative errno. */
static int open_beside(struct mf_output *output)
{
        output->fd = openat(output->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
        if (output->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR)) {
                int r = choose_name(output);
                if (r < 0)
                        return r;
                output->fd = openat(output->directory, output->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        }
        return output->fd < 0 ? -errno : 0;
}

/* Opens a file without a name elsewhere, for an image that is copied in the end. */
static int open_temporary(struct mf_output *output, struct mayfly_error *err)
{
        const char *directory;

        output->fd = mf_temporary_file(&directory);
        return output->fd < 0 ? mf_error_errno(err, output->fd, MAYFLY_STAGE_ARCHIVE,
                                               "no temporary file can be made in %s (set TMPDIR to another directory)",
                                               directory)
                              : 0;
}

/* Makes the directory of a layout beside the one that it replaces. Returns 0 or negative errno. */
static int open_layout(struct mf_output *output)
{
        int r = choose_name(output);

        if (r < 0)
                return r;
        if (mkdirat(output->directory, output->name, 0777) < 0) {
                *output->name = '\0';
                return -errno;
        }
        output->fd = openat(output->directory, output->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return output->fd < 0 ? -errno : 0;
}

int mf_output_open(struct mf_output *ret, const char *path, int may_be_layout, struct mayfly_error *err)
{
        int r = resolve(ret, path, may_be_layout, err);

        if (r < 0)
                return r;
        if (ret->through)
                return open_temporary(ret, err);
        r = open_directory(ret, err);
        if (r < 0)
                return r;
        r = ret->is_layout ? open_layout(ret) : open_beside(ret);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the %s %s cannot be made",
                                      ret->is_layout ? "directory" : "file", ret->base)
                     : 0;
}

void mf_output_clear(struct mf_output *output)
{
        if (*output->name)
                (void) mf_remove_tree(output->directory, output->name);
        mf_close(output->fd);
        mf_close(output->directory);
        free(output->path);
        *output = MF_OUTPUT_NONE;
}

/* --- its end */

/* Gives the file its name. When another file has that, it gets a new one, to be renamed. Returns 1 when all is done, 0 when it must
 * be renamed, or negative errno. */
static int link_file(struct mf_output *output)
{
        char proc[64];

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", output->fd);
        if (linkat(AT_FDCWD, proc, output->directory, output->base, AT_SYMLINK_FOLLOW) == 0)
                return 1;
        int r = errno == EEXIST ? choose_name(output) : -errno;
        if (r == 0 && linkat(AT_FDCWD, proc, output->directory, output->name, AT_SYMLINK_FOLLOW) < 0) {
                r = -errno;
                *output->name = '\0';
        }
        return r;
}

/* Gives the file its name, and so replaces the one that had it. */
static int replace(struct mf_output *output, struct mayfly_error *err)
{
        struct stat st;

        if (fsync(output->fd) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be flushed to the disk",
                                      output->base);
        int r = *output->name ? 0 : link_file(output);
        if (r == 0 && fstatat(output->directory, output->base, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode))
                return mf_error(
                        err, -EEXIST, MAYFLY_STAGE_ARCHIVE,
                        "%s was replaced while the image was built, and is no regular file any more; build again",
                        output->path);
        if (r == 0 && renameat(output->directory, output->name, output->directory, output->base) < 0)
                r = -errno;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the image cannot be renamed to %s", output->base);
        *output->name = '\0';
        return 0;
}

/* Whether a name in the directory is what a layout has there. Returns 1, 0 or negative errno. */
typedef int is_expected(int directory, const char *name);

/* Whether the directory `name` has nothing but what is expected. Returns 1, 0 or negative errno. */
static int has_only(int parent, const char *name, is_expected *check)
{
        mf_cleanup(mf_closep) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        char **names = NULL;

        if (fd < 0)
                return -errno;
        int r = mf_dir_names(fd, &names);
        if (r < 0)
                return r;
        r = 1;
        for (char **one = names; *one && r > 0; one++)
                r = check(fd, *one);
        mf_strv_free(names);
        return r;
}

static int is_kind(int directory, const char *name, mode_t kind)
{
        struct stat st;

        return fstatat(directory, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IFMT) == kind;
}

static int is_nothing(int directory, const char *name)
{
        (void) directory;
        (void) name;
        return 0;
}

/* Whether it is a blob: a file whose name is the digits of a digest. */
static int is_blob(int directory, const char *name)
{
        const size_t length = strlen(name);

        return length >= DIGITS_MIN && strspn(name, "0123456789abcdef") == length && is_kind(directory, name, S_IFREG);
}

/* Whether it is a directory of blobs, which has the name of an algorithm, such as "sha256". */
static int is_algorithm(int directory, const char *name)
{
        return is_kind(directory, name, S_IFDIR) ? has_only(directory, name, is_blob) : 0;
}

static int is_part_of_layout(int directory, const char *name)
{
        if (strcmp(name, "blobs") == 0)
                return is_kind(directory, name, S_IFDIR) ? has_only(directory, name, is_algorithm) : 0;
        return (strcmp(name, LAYOUT_FILE) == 0 || strcmp(name, "index.json") == 0) && is_kind(directory, name, S_IFREG);
}

/* Whether the directory is a layout and has nothing else, or is empty, so that nobody misses it. Returns 1, 0 or negative errno. */
static int is_replaceable(int parent, const char *name)
{
        mf_cleanup(mf_closep) int fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return has_only(parent, name, is_kind(fd, LAYOUT_FILE, S_IFREG) ? is_part_of_layout : is_nothing);
}

/* Gives the directory its name, or exchanges it with the layout that has it. Returns 0 or negative errno: -ENOTEMPTY when the
 * directory of that name must not be replaced. */
static int rename_layout(struct mf_output *output)
{
        const int parent = output->directory;

        if (renameat2(parent, output->name, parent, output->base, RENAME_NOREPLACE) == 0) {
                *output->name = '\0';
                return 0;
        }
        int r = errno == EEXIST ? is_replaceable(parent, output->base) : -errno;
        if (r <= 0)
                return r < 0 ? r : -ENOTEMPTY;
        return renameat2(parent, output->name, parent, output->base, RENAME_EXCHANGE) < 0 ? -errno : 0;
}

static int replace_layout(struct mf_output *output, struct mayfly_error *err)
{
        int r = rename_layout(output);

        if (r == -ENOTEMPTY)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE,
                                "%s is no layout of images, or has other files, too, and is not replaced; name "
                                "another directory",
                                output->path);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the layout cannot be renamed to %s", output->base)
                     : 0;
}

/* Copies the image to an open descriptor. Returns 0 or negative errno. */
static int copy_to(const struct mf_output *output, int to)
{
        mf_cleanup(mf_freep) char *block = malloc(BLOCK);
        ssize_t n = 0;
        int r = block ? 0 : -ENOMEM;

        if (r == 0 && lseek(output->fd, 0, SEEK_SET) < 0)
                r = -errno;
        while (r == 0 && (n = mf_read_full(output->fd, block, BLOCK)) > 0)
                r = mf_write_full(to, block, (size_t) n);
        return r < 0 ? r : n < 0 ? (int) n : 0;
}

/* Copies the image to output->path. */
static int write_through(const struct mf_output *output, struct mayfly_error *err)
{
        struct mf_sigpipe sigpipe;

        mf_cleanup(mf_closep) int to = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        if (to < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "%s cannot be opened for writing",
                                      output->path);
        mf_sigpipe_block(&sigpipe);
        int r = copy_to(output, to);
        mf_sigpipe_restore(&sigpipe);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "the image cannot be written to %s", output->path)
                     : 0;
}

int mf_output_publish(struct mf_output *output, struct mayfly_error *err)
{
        if (output->is_layout)
                return replace_layout(output, err);
        return output->through ? write_through(output, err) : replace(output, err);
}

char *mf_output_url(const struct mf_output *output)
{
        char directory[PATH_MAX] = "", proc[64];
        mf_cleanup(mf_freep) char *path = NULL;

        snprintf(proc, sizeof(proc), "/proc/self/fd/%d", output->directory);
        ssize_t n = output->through ? -1 : readlink(proc, directory, sizeof(directory) - 1);
        if (output->through)
                path = output->path[0] == '/' ? strdup(output->path) : realpath(output->path, NULL);
        else if (n > 0 && asprintf(&path, "%.*s%s%s", (int) n, directory, n > 1 ? "/" : "", output->base) < 0)
                path = NULL;
        return path ? mf_file_url(path) : NULL;
}
