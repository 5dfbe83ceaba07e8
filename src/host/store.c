/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "host/check.h"
#include "store/directory.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Cuts the path after its nearest directory that exists. */
static void go_up(char *path)
{
        while (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
                char *slash = strrchr(path, '/');
                if (!slash || slash == path) {
                        path[1] = '\0';
                        return;
                }
                *slash = '\0';
        }
}

char *mf_host_store_directory(const struct mf_host *host)
{
        char *path = NULL;

        if (mf_store_path(host->store, &path, NULL) < 0)
                return NULL;
        go_up(path);
        return path;
}

/* File systems by the numbers of statfs(2), those on which a store has often been seen. */
static const struct {
        uint32_t magic;
        const char *name;
        int is_remote;
} systems[] = {
        { 0xEF53, "ext4", 0 },      { 0x58465342, "xfs", 0 },      { 0x9123683E, "btrfs", 0 },
        { 0x01021994, "tmpfs", 0 }, { 0x794C7630, "overlay", 0 },  { 0xF2F52010, "f2fs", 0 },
        { 0x2FC12FC1, "zfs", 0 },   { 0xCA451A4E, "bcachefs", 0 }, { 0x6969, "nfs", 1 },
        { 0xFF534D42, "cifs", 1 },  { 0xFE534D42, "smb2", 1 },     { 0x65735546, "fuse", 1 },
        { 0x01021997, "9p", 1 },    { 0x00C36400, "ceph", 1 },
};

static const char *name_system(const char *path, int *ret_is_remote)
{
        struct statfs fs;

        *ret_is_remote = 0;
        for (size_t i = 0; statfs(path, &fs) == 0 && i < MF_ELEMENTSOF(systems); i++)
                if ((uint32_t) fs.f_type == systems[i].magic) {
                        *ret_is_remote = systems[i].is_remote;
                        return systems[i].name;
                }
        return "a file system that is not known to mayfly";
}

/* Looks whether the store is this user's, or can be made. Returns 0 or negative errno. */
static int look_at_store(const char *path, const char *nearest, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = -1;
        struct statvfs fs;

        int r = mf_store_open(path, 0, &fd, err);
        if (r < 0 && r != -ENOENT)
                return r;
        if (access(nearest, W_OK | X_OK) < 0 || (statvfs(nearest, &fs) == 0 && (fs.f_flag & ST_RDONLY)))
                return mf_error_errno(
                        err, errno ? -errno : -EROFS, MAYFLY_STAGE_STORE,
                        r == 0 ? "the image store %s cannot be written" : "the image store %s cannot be made", path);
        return 0;
}

void mf_probe_store(const struct mf_host *host, struct mf_host_finding *ret)
{
        mf_cleanup(mf_freep) char *path = NULL, *nearest = NULL;
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int is_remote;

        int r = mf_store_path(host->store, &path, &err);
        nearest = mf_host_store_directory(host);
        errno = 0;
        if (r == 0 && nearest)
                r = look_at_store(path, nearest, &err);
        if (r < 0 || !nearest) {
                mf_host_missing(ret, r < 0 ? r : -ENOMEM, "%.700s", err.message);
                mf_host_remedy(ret, "set MAYFLY_STORE to a directory of this user, on a disk of this host");
                return;
        }
        const char *system = name_system(nearest, &is_remote);
        if (is_remote) {
                mf_host_warning(ret, "the image store %s is on %s, which overlayfs may refuse or be slow with", path,
                                system);
                mf_host_remedy(ret,
                               "if containers do not start, set MAYFLY_STORE to a directory on a disk of this host");
        } else {
                mf_host_ok(ret, "the image store is %s, on %s", path, system);
        }
}

#define ENOUGH (UINT64_C(1) << 30)
#define ENOUGH_FILES 10000U

void mf_probe_store_space(const struct mf_host *host, struct mf_host_finding *ret)
{
        mf_cleanup(mf_freep) char *nearest = mf_host_store_directory(host);
        struct statvfs fs;

        if (!nearest || statvfs(nearest, &fs) < 0) {
                mf_host_warning(ret, "how much space the image store has is not known");
                mf_host_remedy(ret, "set MAYFLY_STORE to a directory of this user");
                return;
        }
        uint64_t bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
        if (bytes < ENOUGH) {
                mf_host_warning(ret, "the image store has %" PRIu64 " MiB of space left", bytes >> 20);
                mf_host_remedy(ret,
                               "remove images that are not used (mayfly gc --max-age 1d), or set MAYFLY_STORE to a "
                               "directory on a larger disk");
        } else if (fs.f_files > 0 && fs.f_favail < ENOUGH_FILES) {
                mf_host_warning(ret, "the image store has room for %llu more files", (unsigned long long) fs.f_favail);
                mf_host_remedy(ret,
                               "remove images that are not used (mayfly gc --max-age 1d), or set MAYFLY_STORE to a "
                               "directory on another disk");
        } else {
                mf_host_ok(ret, "the image store has %" PRIu64 " GiB of space left", bytes >> 30);
        }
}
