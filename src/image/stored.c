/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/stored.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "aci/archive-rules.h"
#include "aci/manifest.h"
#include "store/directory.h"
#include "store/record.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* What is damaged is as good as not there: it is fetched again. */
static int damaged(struct mayfly_image *image, const char *why)
{
        snprintf(image->damage, sizeof(image->damage), "%.200s", why);
        return -ENOENT;
}

int mf_image_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = NULL;
        size_t size = 0;

        int r = mf_read_file_at(dir_fd, "manifest", MF_MANIFEST_MAX, &text, &size);
        if (r == -ENOENT)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE, "its manifest is missing");
        if (r == -ELOOP || r == -EINVAL || r == -EFBIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE,
                                r == -EFBIG ? "its manifest is over 1 MiB" : "its manifest is no file");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading %s/manifest", path);
        return mf_manifest_parse(ret, text, size, err);
}

static int load_manifest(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = mf_image_config(image->dir_fd, image->path, &image->config, &why);
        if (r == -EBADMSG)
                return damaged(image, why.message);
        return r < 0 ? mf_error(err, r, why.stage, "%s", why.message) : 0;
}

/* Looks at the image, whose directory is open and locked. Returns as mf_stored_open(). */
static int load(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mf_record_summary summary;
        const char *why;
        struct stat st;

        if (fstatat(image->dir_fd, MF_ROOTFS, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return damaged(image, "its rootfs is missing");
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "looking at %s", image->rootfs);
        }
        if (!S_ISDIR(st.st_mode))
                return damaged(image, "its rootfs is no directory");
        int r = mf_record_peek(image->dir_fd, &summary, &why);
        if (r == -EBADMSG)
                return damaged(image, why);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "reading %s/record", image->path);
        return load_manifest(image, err);
}

int mf_stored_open(int store, struct mayfly_image *image, struct mayfly_error *err)
{
        image->damage[0] = '\0';
        int r = mf_store_open_locked(store, MF_IMAGES, image->id, LOCK_SH, &image->dir_fd);
        if (r == -ENOTDIR || r == -ELOOP)
                return damaged(image, "it is no directory");
        if (r == -ENOENT || r == -EWOULDBLOCK)
                return r;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "opening the stored image %s", image->path);
        r = load(image, err);
        if (r < 0)
                image->dir_fd = mf_close(image->dir_fd);
        else
                mf_store_touch(image->dir_fd);
        return r;
}

int mf_stored_close(struct mayfly_image *image, int r)
{
        image->dir_fd = mf_close(image->dir_fd);
        image->config = mf_image_config_free(image->config);
        return r;
}

int mf_stored_describe(int dir_fd, const char *path, struct mf_description *ret)
{
        struct mf_image_config *config = NULL;

        int r = mf_image_config(dir_fd, path, &config, NULL);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        ret->name = mf_take(config->name);
        ret->labels = mf_take(config->labels);
        mf_image_config_free(config);
        return 0;
}
