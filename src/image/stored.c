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
#include "image/oci-stored.h"
#include "privilege/userns.h"
#include "store/check.h"
#include "store/directory.h"
#include "store/record.h"
#include "store/unflushed.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/fs.h"
#include "util/macro.h"

/* Notes the damage. Returns -ENOENT: a damaged image counts as missing, and is fetched again. */
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
                r = mf_oci_stored_config(dir_fd, path, ret, err);
        else
                r = r < 0 ? r : 1;
        if (r == 0)
                return 0;
        if (r == -ENOENT)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE, "its manifest is missing");
        if (r == -ELOOP || r == -EINVAL || r == -EFBIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE,
                                r == -EFBIG ? "its manifest is larger than 1 MiB"
                                            : "its manifest is not a regular file");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "%s/manifest cannot be read", path);
        return mf_manifest_parse(ret, text, size, err);
}

/* Reads the manifest into image->config. Returns as mf_stored_open(). */
static int load_manifest(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = mf_image_config(image->dir_fd, image->path, &image->config, &why);
        if (r == -EBADMSG)
                return damaged(image, why.message);
        return r < 0 ? mf_error(err, r, why.stage, "%s", why.message) : 0;
}

static int stop_at_difference(void *userdata, const char *path, const char *what)
{
        snprintf(userdata, 400, "%.200s: %.150s", path, what);
        return 1;
}

/* Compares with its record the image that the machine may not have written to the disk before it stopped. Returns as
 * mf_stored_open(). */
static int check_after_boot(struct mayfly_image *image, struct mayfly_error *err)
{
        char difference[400] = "", why[512];
        struct mf_check check = { .difference = stop_at_difference, .userdata = difference };
        struct mayfly_error error = MAYFLY_ERROR_INIT;

        int r = mf_check_image(image->dir_fd, image->id, image->path, &check, &error);
        if (r == 0 && check.differences == 0) {
                mf_unflushed_remove(image->dir_fd);
                return 0;
        }
        if (r == -ENOMEM)
                return mf_error(err, r, error.stage, "%s", error.message);
        snprintf(why, sizeof(why), "the machine stopped before it was written to the disk; %.350s",
                 check.differences ? difference : error.message);
        return damaged(image, why);
}

/* Checks or flushes an image that was published before it was flushed. Returns as mf_stored_open(). */
static int load_unflushed(struct mayfly_image *image, struct mayfly_error *err)
{
        enum mf_unflushed state = mf_unflushed_look(image->dir_fd);

        if (mf_privilege_is_delegated()) /* this user cannot look at all files; mayfly-helper can */
                return state == MF_FLUSHED || state == MF_UNFLUSHED
                               ? 0
                               : damaged(image, "it may not be on the disk as a whole");
        if (state == MF_UNFLUSHED_BEFORE)
                return check_after_boot(image, err);
        if (state == MF_FLUSH_FAILED ||
            (state == MF_UNFLUSHED && mf_unflushed_is_due(image->dir_fd) && mf_unflushed_flush(image->dir_fd, 0) < 0))
                return damaged(image, "it could not be written to the disk");
        return 0;
}

/* Checks and reads the image; its directory is open and locked. Returns as mf_stored_open(). */
static int load(struct mayfly_image *image, struct mayfly_error *err)
{
        struct mf_record_summary summary;
        const char *why;
        struct stat st;

        if (fstatat(image->dir_fd, MF_ROOTFS, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT)
                        return damaged(image, "its rootfs is missing");
                return mf_error_errno(err, -errno, MAYFLY_STAGE_STORE, "%s cannot be read", image->rootfs);
        }
        if (!S_ISDIR(st.st_mode))
                return damaged(image, "its rootfs is not a directory");
        int r = mf_record_peek(image->dir_fd, &summary, &why);
        if (r == -EBADMSG)
                return damaged(image, why);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "%s/record cannot be read", image->path);
        r = load_unflushed(image, err);
        return r < 0 ? r : load_manifest(image, err);
}

/* Whether the open directory has a file or anything else of that name. */
static int has(int dir_fd, const char *name)
{
        struct stat st;

        return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Compares what the store has with what is wanted. An ACI, the configuration of an OCI image and a layer can have one digest: whoever
 * makes one of them chooses its bytes. Returns 0 or -EEXIST. */
static int check_kind(const struct mayfly_image *image, enum mf_stored_kind wanted, struct mayfly_error *err)
{
        static const char *const names[] = { "an ACI", "an OCI image", "a layer of OCI images" };
        enum mf_stored_kind found = MF_STORED_OCI_LAYER;

        if (has(image->dir_fd, "manifest"))
                found = MF_STORED_ACI;
        else if (has(image->dir_fd, MF_OCI_CONFIG_FILE))
                found = MF_STORED_OCI_IMAGE;
        if (found == wanted)
                return 0;
        return mf_error(err, -EEXIST, MAYFLY_STAGE_STORE,
                        "the store has %s as %s, but %s is wanted; %suse another store for one of the two "
                        "(MAYFLY_STORE)",
                        image->path, names[found], names[wanted],
                        wanted == MF_STORED_OCI_IMAGE && found == MF_STORED_OCI_LAYER
                                ? "pin the image by the digest that `mayfly pin` prints, or "
                                : "");
}

int mf_stored_open(int store, struct mayfly_image *image, enum mf_stored_kind wanted, struct mayfly_error *err)
{
        image->damage[0] = '\0';
        int r = mf_store_open_locked(store, MF_IMAGES, image->id, LOCK_SH, &image->dir_fd);
        if (r == -ENOTDIR || r == -ELOOP)
                return damaged(image, "it is not a directory");
        if (r == -ENOENT || r == -EWOULDBLOCK)
                return r;
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "the stored image %s cannot be opened", image->path);
        r = load(image, err);
        if (r == 0)
                r = check_kind(image, wanted, err);
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
