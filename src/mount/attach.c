/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "files/files.h"
#include "launch/launch.h"
#include "mount/mount.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* What the library asks for. */
struct volume {
        const char *source, *target;
        int read_only, has_ids;
        struct launch_options ids; /* of the container */
};

static int read_volume(struct mf_unpack *arguments, struct volume *ret, struct mayfly_error *err)
{
        ret->source = mf_unpack_string(arguments);
        ret->target = mf_unpack_string(arguments);
        ret->read_only = mf_unpack_number(arguments) != 0;
        ret->has_ids = mf_unpack_number(arguments) != 0;
        ret->ids.ids = (uint32_t) mf_unpack_number(arguments);
        ret->ids.n_ids = (uint32_t) mf_unpack_number(arguments);
        ret->ids.kept.uid = (uint32_t) mf_unpack_number(arguments);
        ret->ids.kept.gid = (uint32_t) mf_unpack_number(arguments);
        if (arguments->failed || !ret->target || strlen(ret->target) >= PATH_MAX)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_FILES, "mayfly-mount lacks arguments");
        return 0;
}

/* Copies the mount of the source. Returns a descriptor, or a negative errno with the error filled. */
static int copy_source(const struct volume *volume, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd =
                launch_open_how(AT_FDCWD, volume->source, O_PATH, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
        int tree = fd < 0 ? fd : launch_clone_tree(fd, 1);
        return tree < 0 ? mf_error_errno(err, tree, MAYFLY_STAGE_FILES, "copying the mount of the volume's source %s",
                                         volume->source)
                        : tree;
}

/* Lets the copy show the container's IDs. */
static int map_ids(int tree, const struct volume *volume, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int userns = launch_userns_open(&volume->ids, 1);

        if (userns < 0)
                return mf_error_errno(err, userns, MAYFLY_STAGE_FILES,
                                      "the volume for %s: making a user namespace with the container's IDs",
                                      volume->target);
        int r = launch_idmap(tree, userns, 1);
        return r < 0 ? mf_error(err, r, MAYFLY_STAGE_FILES,
                                "the volume for %s: showing %s with the container's IDs, which its file system, or one "
                                "that is mounted in it, cannot do: %s; take another directory, or set .userns = "
                                "MAYFLY_USERNS_HOST",
                                volume->target, volume->source ? volume->source : "the tmpfs", strerror(-r))
                     : 0;
}

/* Makes the copy of the mount that the container gets. Returns a descriptor, or a negative errno with the error filled. */
static int make_tree(const struct mf_serve_call *call, const struct volume *volume, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int tree = -1;
        int r = 0;

        /* A user may copy and change only what is in a mount namespace of the user's. */
        if (call->is_users && unshare(CLONE_NEWNS) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "making a mount namespace");
        if (volume->source) {
                tree = copy_source(volume, err);
                if (tree < 0)
                        return tree;
        } else {
                tree = call->n_fds > 1 ? launch_scratch_copy(call->fds[1]) : -EPROTO;
                if (tree < 0)
                        return mf_error_errno(err, tree, MAYFLY_STAGE_FILES, "copying the mount of the tmpfs");
        }
        if (volume->ids.ids && !volume->has_ids)
                r = map_ids(tree, volume, err);
        if (r < 0)
                return r;
        r = launch_protect(tree, "", volume->read_only);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the attributes of the volume for %s", volume->target)
                     : mf_take_fd(&tree);
}

/* Opens the place in the container, which is made unless it is there. Nothing that is there is removed. */
static int open_target(const struct volume *volume, int is_directory, struct mayfly_error *err)
{
        char name[NAME_MAX + 1];
        struct stat st;

        mf_cleanup(mf_closep) int parent = files_open_parent(volume->target, 1, name, err);
        if (parent < 0)
                return parent;
        mf_cleanup(mf_closep) int place = files_open(volume->target, O_PATH);
        if (place == -ENOENT) {
                if ((is_directory ? mkdirat(parent, name, 0755) : mknodat(parent, name, S_IFREG | 0644, 0)) < 0)
                        return files_say(err, -errno, volume->target, "made, for the volume");
                place = files_open(volume->target, O_PATH);
        }
        if (place < 0 || fstat(place, &st) < 0)
                return files_say(err, place < 0 ? place : -errno, volume->target, "opened, for the volume");
        if ((S_ISDIR(st.st_mode) != 0) != is_directory)
                return mf_error(
                        err, is_directory ? -ENOTDIR : -EISDIR, MAYFLY_STAGE_FILES,
                        "%s in the container is %s directory, but the volume is %s; give another path, or remove it",
                        volume->target, is_directory ? "no" : "a", is_directory ? "one" : "a file");
        return mf_take_fd(&place);
}

/* Tells the path without links, by which the volume is found again. */
static int tell_place(struct mf_serve_call *call, int place, const struct volume *volume, struct mayfly_error *err)
{
        char number[16], path[PATH_MAX];

        snprintf(number, sizeof(number), "%d", place);
        ssize_t n = readlinkat(files_proc(), number, path, sizeof(path) - 1);
        if (n <= 0 || path[0] != '/')
                return mf_error_errno(err, n < 0 ? -errno : -ENAMETOOLONG, MAYFLY_STAGE_FILES,
                                      "the path without links of %s in the container", volume->target);
        path[n] = '\0';
        mf_pack_string(&call->answer.result, path);
        return call->answer.result.failed ? mf_error_oom(err, MAYFLY_STAGE_FILES) : 0;
}

static char attached[PATH_MAX]; /* where a volume was mounted; empty: nowhere */

void mount_undo(void)
{
        if (attached[0])
                (void) umount2(attached, MNT_DETACH | UMOUNT_NOFOLLOW);
}

int mount_attach(struct mf_serve_call *call, struct mayfly_error *err)
{
        struct volume volume = { 0 };
        struct stat st;

        int r = read_volume(&call->arguments, &volume, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int tree = make_tree(call, &volume, err);
        if (tree < 0)
                return tree;
        if (fstat(tree, &st) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_FILES, "looking at the volume for %s", volume.target);
        mf_cleanup(mf_closep) int locked = mount_lock(call->fds[0], tree, S_ISDIR(st.st_mode));
        if (locked < 0)
                return mf_error_errno(err, locked, MAYFLY_STAGE_FILES, "locking the attributes of the volume for %s",
                                      volume.target);
        r = mount_enter(call, err);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int place = open_target(&volume, S_ISDIR(st.st_mode), err);
        if (place < 0)
                return place;
        r = tell_place(call, place, &volume, err);
        if (r < 0)
                return r;
        if (syscall(SYS_move_mount, locked, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return files_say(err, -errno, volume.target, "covered by the volume");
        snprintf(attached, sizeof(attached), "%s", volume.target);
        return 0;
}
