/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "container/snapshot-copy.h"
#include "container/snapshot-xattr.h"
#include "util/fs.h"

/* Merges one layer of overlayfs into another, by the rules that overlayfs shows them by. The result lies on the image's layers, so that it
 * keeps what hides something of these. */

/* A device that overlayfs shows as nothing. */
static int is_whiteout(const struct stat *st)
{
        return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

int mf_snapshot_make_room(int from, int to, const char *name, const struct stat *st, int is_alone)
{
        const int is_directory = S_ISDIR(st->st_mode);
        const int has_content = !S_ISREG(st->st_mode) || !mf_snapshot_has_metadata_alone(from, name);
        struct stat lower;
        int r = 0;

        if ((is_directory || !has_content) && mf_snapshot_is_redirected(from, name))
                return -EXDEV;
        int is_there = fstatat(to, name, &lower, AT_SYMLINK_NOFOLLOW) == 0;
        if (!is_there && errno != ENOENT)
                return -errno;
        if (is_there && is_directory && S_ISDIR(lower.st_mode) && !mf_snapshot_is_opaque(from, name)) {
                r = mf_snapshot_clear_xattrs(to, name); /* the upper directory has all that it is to have */
                return r < 0 ? r : MF_ROOM_DIRECTORY;
        }
        if (is_there && !has_content && S_ISREG(lower.st_mode)) {
                r = mf_snapshot_clear_xattrs(to, name);
                return r < 0 ? r : MF_ROOM_CONTENT;
        }
        if (is_there)
                r = mf_remove_tree(to, name);
        if (r < 0)
                return r;
        /* In a directory of one layer alone, overlayfs would list it. */
        return is_whiteout(st) && is_alone ? MF_ROOM_NEEDLESS : MF_ROOM_FREE;
}
