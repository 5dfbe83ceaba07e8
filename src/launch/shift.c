/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "launch/launch.h"

/* For layers that cannot be idmapped, those of a store on overlayfs for one: gives each file in the overlay to the
 * container. The overlay copies only metadata for that (metacopy=on). Hard links become files of their own. */

#define CAPABILITY "security.capability"

static uint32_t host_id(uint32_t id, uint32_t kept, const struct launch_options *options)
{
        if (!options->ids)
                return options->is_users ? mf_keep_id_outside(id, kept) : id;
        return id < options->n_ids ? options->ids + id : (uint32_t) -1;
}

uint32_t launch_host_uid(uint32_t id, const struct launch_options *options)
{
        return host_id(id, options->kept.uid, options);
}

uint32_t launch_host_gid(uint32_t id, const struct launch_options *options)
{
        return host_id(id, options->kept.gid, options);
}

int launch_give_root(int dirfd, const char *name, const struct launch_options *options)
{
        return fchownat(dirfd, name, launch_host_uid(0, options), launch_host_gid(0, options),
                        AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

/* Sets the capabilities that a change of owner has removed again, those of the container's root. */
static int restore_capability(const char *path, const struct vfs_ns_cap_data *old, ssize_t size, uint32_t ids)
{
        struct vfs_ns_cap_data now = *old;

        if (size != (ssize_t) XATTR_CAPS_SZ_2)
                return 0; /* none, or those of another user namespace, which have no effect */
        now.magic_etc = VFS_CAP_REVISION_3 | (old->magic_etc & VFS_CAP_FLAGS_EFFECTIVE);
        now.rootid = ids;
        return lsetxattr(path, CAPABILITY, &now, XATTR_CAPS_SZ_3, 0) < 0 ? -errno : 0;
}

static int shift(const char *path, const struct stat *st, const struct launch_options *options)
{
        struct vfs_ns_cap_data capability = { 0 };
        ssize_t size = S_ISREG(st->st_mode) ? lgetxattr(path, CAPABILITY, &capability, sizeof(capability)) : -1;

        if (lchown(path, launch_host_uid(st->st_uid, options), launch_host_gid(st->st_gid, options)) < 0)
                return -errno;
        if (!S_ISLNK(st->st_mode) && (st->st_mode & (S_ISUID | S_ISGID)) && chmod(path, st->st_mode & 07777) < 0)
                return -errno;
        return restore_capability(path, &capability, size, options->ids);
}

int launch_shift(const char *root, const struct launch_options *options)
{
        char path[64];
        char *const paths[] = { path, NULL };
        int r = 0;

        strncpy(path, root, sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
        if (!tree)
                return launch_error(-errno, "%s", root);
        for (const FTSENT *entry; r == 0 && (errno = 0, entry = fts_read(tree));) {
                if (entry->fts_level == 0 || entry->fts_info == FTS_DP)
                        continue;
                int failed = entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS;
                r = failed ? -entry->fts_errno : shift(entry->fts_path, entry->fts_statp, options);
                if (r < 0)
                        launch_error(r,
                                     "giving the image's %s to the container; move the image store to a file system "
                                     "that can be idmapped (ext4, xfs, btrfs; set MAYFLY_STORE)",
                                     entry->fts_path + strlen(root));
        }
        if (r == 0 && errno != 0)
                r = launch_error(-errno, "reading the container's root");
        fts_close(tree);
        return r;
}
