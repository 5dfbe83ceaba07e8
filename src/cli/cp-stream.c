/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "cli/cp-stream.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/read.h"
#include "archive/tar.h"
#include "cli/cli.h"
#include "cli/cp-tree.h"
#include "image/rootfs.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/temporary.h"

#define BLOCK 65536U

/* --- the stream, in a file without a name ----------------------------------------------------------------------- */

struct spool {
        int fd;
        int write_error; /* negative errno */
};

static int add(void *userdata, const void *data, size_t size)
{
        struct spool *spool = userdata;

        spool->write_error = mf_write_full(spool->fd, data, size);
        return spool->write_error;
}

/* Copies the stream without its compression. Returns a descriptor or negative errno with an error. */
static int spool_stream(int fd, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const char *directory;

        mf_cleanup(mf_closep) int copy = mf_temporary_file(&directory);
        struct spool spool = { .fd = copy };
        int r = copy < 0 ? copy : mf_decompress_file(fd, add, &spool, &why);
        if (copy < 0 || spool.write_error < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE,
                                      "the stream cannot be kept in %s (set TMPDIR to another directory)", directory);
        if (r < 0)
                return mf_error(err, r, MAYFLY_STAGE_ARCHIVE, "standard input is no tar stream: %s",
                                why.message[0] ? why.message : strerrordesc_np(-r));
        if (lseek(copy, 0, SEEK_END) == 0)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_ARCHIVE,
                                "standard input is empty; give a tar stream, as tar -c makes it");
        if (lseek(copy, 0, SEEK_SET) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the copy of the stream cannot be read");
        return mf_take_fd(&copy);
}

/* --- a directory for the tree ----------------------------------------------------------------------------------- */

/* Signals wait while there is a directory that would be left. Nothing is waited for meanwhile but the container. */
static void hold_signals(sigset_t *ret_old)
{
        sigset_t held;

        sigemptyset(&held);
        sigaddset(&held, SIGINT);
        sigaddset(&held, SIGTERM);
        sigaddset(&held, SIGHUP);
        sigprocmask(SIG_BLOCK, &held, ret_old);
}

static int make_directory(struct mf_temporary *ret, char tree[PATH_MAX + 8], struct mayfly_error *err)
{
        const char *where;

        int r = mf_temporary_make(ret, &where);
        snprintf(tree, PATH_MAX + 8, "%s/tree", ret->path);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE,
                                      "no directory can be made in %s (set TMPDIR to another directory)", where)
                     : 0;
}

/* --- to the container ------------------------------------------------------------------------------------------- */

struct source {
        int fd;
        char block[BLOCK];
};

static ssize_t next_bytes(void *userdata, const void **ret, struct mayfly_error *err)
{
        struct source *source = userdata;
        ssize_t n = read(source->fd, source->block, sizeof(source->block));

        *ret = source->block;
        return n < 0 ? mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the copy of the stream cannot be read") : n;
}

/* Makes the tree that the tar describes. Returns 0 or negative errno. */
static int unpack(int fd, const char *directory, int keep_owners, struct mayfly_error *err)
{
        struct source *source = calloc(1, sizeof(*source));
        struct cp_tree tree = { .fd = -1 };
        struct mf_tar *tar = source ? mf_tar_new(next_bytes, source) : NULL;
        struct mf_entry entry;

        if (!tar)
                tool_oom();
        source->fd = fd;
        int r = cp_tree_begin(&tree, directory, keep_owners, err);
        while (r == 0 && (r = mf_tar_next(tar, &entry, err)) > 0)
                r = cp_tree_add(&tree, &entry, err);
        r = cp_tree_end(&tree, r, err);
        mf_tar_free(tar);
        free(source);
        return r;
}

int cp_stream_unpack(int fd, int keep_owners, cp_tree_fn use, void *userdata, struct mayfly_error *err)
{
        struct mf_temporary directory = MF_TEMPORARY_NONE;
        char tree[PATH_MAX + 8];
        sigset_t old;

        mf_cleanup(mf_closep) int copy = spool_stream(fd, err);
        if (copy < 0)
                return copy;
        hold_signals(&old);
        int r = make_directory(&directory, tree, err);
        if (r == 0 && mkdirat(directory.fd, "tree", 0700) < 0)
                r = mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the directory %s", tree);
        if (r == 0)
                r = unpack(copy, tree, keep_owners, err);
        if (r == 0)
                r = use(tree, userdata, err);
        mf_temporary_remove(&directory);
        sigprocmask(SIG_SETMASK, &old, NULL);
        return r;
}

/* --- from the container ----------------------------------------------------------------------------------------- */

/* Writes the tree as a tar. Returns 0 or negative errno. */
static int pack(const char *directory, int fd, struct mayfly_error *err)
{
        struct mf_rewrite rewrite = { .latest = INT64_MAX };
        struct mf_writer *writer = NULL;
        char id[MF_ID_LENGTH + 1];

        int r = mf_writer_new_layer(&writer, fd, MAYFLY_COMPRESSION_NONE, NULL, err);
        if (r == 0)
                r = mf_rootfs_add(writer, directory, &rewrite, err);
        if (r == 0)
                r = mf_writer_finish(writer, id, err);
        mf_writer_free(writer);
        free(rewrite.acl);
        return r;
}

/* Copies the tar to its reader, but the entry of the directory itself, which is ours. */
static int send_copy(int copy, int fd, struct mayfly_error *err)
{
        char block[BLOCK];
        ssize_t n;

        off_t at = pread(copy, block, 512, 0) == 512 && strcmp(block, "./") == 0 ? 512 : 0;
        while ((n = pread(copy, block, sizeof(block), at)) > 0) {
                int r = mf_write_full(fd, block, (size_t) n);
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_ARCHIVE, "standard output cannot be written");
                at += n;
        }
        return n < 0 ? mf_error_errno(err, -errno, MAYFLY_STAGE_ARCHIVE, "the copy of the stream cannot be read") : 0;
}

int cp_stream_pack(int fd, cp_tree_fn make, void *userdata, struct mayfly_error *err)
{
        const char *where;
        struct mf_temporary directory = MF_TEMPORARY_NONE;
        char tree[PATH_MAX + 8];
        sigset_t old;

        mf_cleanup(mf_closep) int copy = mf_temporary_file(&where);
        if (copy < 0)
                return mf_error_errno(err, copy, MAYFLY_STAGE_ARCHIVE,
                                      "the stream cannot be kept in %s (set TMPDIR to another directory)", where);
        hold_signals(&old);
        int r = make_directory(&directory, tree, err);
        if (r == 0)
                r = make(tree, userdata, err);
        if (r == 0)
                r = pack(tree, copy, err);
        mf_temporary_remove(&directory);
        sigprocmask(SIG_SETMASK, &old, NULL);
        return r < 0 ? r : send_copy(copy, fd, err);
}
