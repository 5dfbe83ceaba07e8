/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-stored.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "oci/config.h"
#include "oci/source.h"
#include "store/directory.h"
#include "store/record.h"
#include "store/unpack.h"
#include "util/error.h"
#include "util/fs.h"
#include "util/macro.h"

#define NAME_MAX_STORED ((size_t) 4096)

/* Makes the empty directory for the files that the image does not have. Returns 0 or -errno. */
static int add_rootfs(struct mf_record *record, int dirfd)
{
        struct stat st;

        if (mkdirat(dirfd, MF_ROOTFS, 0755) < 0 || fchmodat(dirfd, MF_ROOTFS, 0755, 0) < 0 ||
            fstatat(dirfd, MF_ROOTFS, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        return mf_record_add(record, MF_ROOTFS, &st, NULL, -1, NULL);
}

/* Lists the layers, for those that need not understand the config. Returns 0 or negative errno. */
static int add_parts(struct mf_record *record, int dirfd, const struct mf_image_config *config)
{
        struct mf_buffer text = { 0 };
        int r = 0;

        for (size_t i = 0; i < config->n_dependencies && r == 0; i++) {
                r = mf_buffer_add(&text, config->dependencies[i].id, strlen(config->dependencies[i].id));
                if (r == 0)
                        r = mf_buffer_add(&text, "\n", 1);
        }
        if (r == 0)
                r = mf_record_add_text(record, dirfd, MF_PARTS, 0644, text.data ? text.data : "", text.size);
        mf_buffer_clear(&text);
        return r;
}

int mf_oci_stored_write(const struct mf_oci_image *image, const char *id, const char *name, int dirfd,
                        struct mayfly_error *err)
{
        const struct mf_buffer *config = &image->config_text;

        errno = 0;
        struct mf_record *record = mf_record_new(dirfd, id);
        int r = record ? 0 : errno ? -errno : -ENOMEM;
        if (r == 0)
                r = mf_record_add_text(record, dirfd, MF_OCI_CONFIG_FILE, 0644, config->data, config->size);
        if (r == 0)
                r = mf_record_add_text(record, dirfd, MF_OCI_REFERENCE_FILE, 0644, name, strlen(name));
        if (r == 0)
                r = add_parts(record, dirfd, image->config.image);
        if (r == 0)
                r = add_rootfs(record, dirfd);
        if (r == 0)
                r = mf_record_finish(record);
        mf_record_free(record);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_STORE, "image %s cannot be written to the store", name) : 0;
}

/* Makes the configuration of a layer, which is called as its diff_id. Returns 0 or negative errno. */
static int layer_config(const char *path, struct mf_image_config **ret)
{
        const char *slash = strrchr(path, '/'), *id = slash ? slash + 1 : path;
        char digest[MF_ID_LENGTH + 1];

        if (!mf_store_is_id(id))
                return -ENOENT;
        mf_digest_of_image_id(id, digest);
        *ret = mf_oci_layer_config(digest);
        return *ret ? 0 : -ENOMEM;
}

int mf_oci_stored_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *text = NULL;
        mf_cleanup(mf_freep) char *name = NULL;
        struct mf_oci_config config = { 0 };
        size_t size = 0, name_size = 0;
        struct stat st;

        int r = mf_read_file_at(dir_fd, MF_OCI_CONFIG_FILE, MF_OCI_DOCUMENT_MAX, &text, &size);
        if (r == -ENOENT && fstatat(dir_fd, MF_LAYER_MARK, &st, AT_SYMLINK_NOFOLLOW) == 0)
                return layer_config(path, ret);
        if (r == -ENOENT)
                return r;
        if (r == 0)
                r = mf_read_file_at(dir_fd, MF_OCI_REFERENCE_FILE, NAME_MAX_STORED, &name, &name_size);
        if (r == -ENOENT || r == -ELOOP || r == -EINVAL || r == -EFBIG)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_STORE,
                                "its config or the name in its file \"" MF_OCI_REFERENCE_FILE
                                "\" is missing, or is not a regular file");
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_STORE, "%s/" MF_OCI_CONFIG_FILE " cannot be read", path);
        r = mf_oci_config_parse(&config, text, size, name, err);
        if (r < 0)
                return r;
        *ret = mf_take(config.image);
        mf_oci_config_clear(&config);
        return 0;
}
