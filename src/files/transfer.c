/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "files/files.h"
#include "protocol/files.h"
#include "tree/kernel-fs.h"
#include "tree/receive.h"
#include "tree/send.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Whole files and trees, in and out. */

/* Opens where a symbolic link leads on the way to a file that is put. `userdata` is the path at the top. */
static int follow(void *userdata, const char *path)
{
        char whole[PATH_MAX];

        if ((size_t) snprintf(whole, sizeof(whole), "%s%s", (const char *) userdata, path) >= sizeof(whole))
                return -ENAMETOOLONG;
        return files_open(whole, O_RDONLY | O_DIRECTORY);
}

/* Opens the directory that gets the files, or else the one above it. *ret_parent and *ret_into are the caller's to close. */
static int open_target(const char *path, int *ret_into, int *ret_parent, char name[NAME_MAX + 1],
                       struct mayfly_error *err)
{
        *ret_into = files_open(path, O_PATH | O_DIRECTORY);
        *ret_parent = *ret_into < 0 ? files_open_parent(path, 1, name, err) : -1;
        if (*ret_into < 0 && *ret_parent < 0)
                return *ret_parent;
        const char *type = mf_kernel_fs(*ret_into < 0 ? *ret_parent : *ret_into);
        return type ? mf_error(err, -EPERM, MAYFLY_STAGE_FILES,
                               "%s is in a file system that the kernel makes up (%s), where no file can be put; run a "
                               "command that writes to one that is there",
                               path, type)
                    : 0;
}

/* A stream broke without an error of its own: the library gave up and knows why, or the container has ended. */
static int complete(int r, struct mayfly_error *err)
{
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the copy was given up") : 0;
}

static int open_stream(struct mf_stream *stream, const struct files_call *call, struct mayfly_error *err)
{
        *stream = (struct mf_stream){ .fd = call->fds[0], .wait = files_wait };
        return mf_stream_open(stream) < 0 ? mf_error_oom(err, MAYFLY_STAGE_FILES) : 0;
}

int files_put(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const uint64_t flags = mf_unpack_number(&call->arguments);
        const uid_t uid = (uid_t) mf_unpack_number(&call->arguments);
        const gid_t gid = (gid_t) mf_unpack_number(&call->arguments);
        mf_cleanup(mf_closep) int into = -1;
        mf_cleanup(mf_closep) int parent = -1;
        mf_cleanup(mf_stream_clear) struct mf_stream stream = { .fd = -1 };
        char name[NAME_MAX + 1];

        int r = open_stream(&stream, call, err);
        if (r == 0)
                r = open_target(path, &into, &parent, name, err);
        if (r < 0)
                return r;
        const struct mf_tree_target target = { .into = into,
                                               .parent = parent,
                                               .name = name,
                                               .label = strcmp(path, "/") == 0 ? "" : path,
                                               .where = " in the container",
                                               .keep_owners = flags & MF_FILES_KEEP_OWNERS,
                                               .uid = uid,
                                               .gid = gid,
                                               .keep_set_ids = flags & MF_FILES_KEEP_SET_IDS,
                                               .follow = follow,
                                               .userdata = (void *) (uintptr_t) path };
        return complete(mf_tree_receive(&stream, &target, err), err);
}

int files_get(struct files_call *call, struct mayfly_error *err)
{
        const char *path = mf_unpack_string(&call->arguments);
        const int is_file = mf_unpack_number(&call->arguments) != 0;
        const uint64_t max_entries = mf_unpack_number(&call->arguments);
        mf_cleanup(mf_stream_clear) struct mf_stream stream = { .fd = -1 };

        int r = open_stream(&stream, call, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int fd = files_open(path, O_PATH);
        if (fd < 0)
                return files_say(err, fd, path, "opened");
        const struct mf_tree_source source = { .fd = fd,
                                               .proc = files_proc(),
                                               .label = strcmp(path, "/") == 0 ? "" : path,
                                               .where = " in the container",
                                               .is_file = is_file,
                                               .max_names = (size_t) max_entries };
        return complete(mf_tree_send(&stream, &source, err), err);
}
