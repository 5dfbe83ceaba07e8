/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_STORED_H
#define MF_OCI_STORED_H

/* OCI images in the store. An image has no files of its own: it depends on its layers.
 *
 *     STORE/images/sha256-<pin>/{config,layers,reference,rootfs,record}    an image
 *     STORE/images/sha256-<diff_id>/{layer,rootfs,record}             a layer, which all images share
 *
 * `config` has the bytes of the image's configuration, `layers` the names of the layers, `reference` the
 * name that the image was first fetched by. The files "implicit" and "opaque" are those of implied-dirs.h and whiteouts.h. */

#include "model/image-config.h"
#include "oci/resolve.h"

#define MF_OCI_CONFIG_FILE "config"
#define MF_OCI_REFERENCE_FILE "reference"

/* Writes an image into the empty directory `dirfd`, which is to have the name `id`. Returns 0 or negative errno. */
int mf_oci_stored_write(const struct mf_oci_image *image, const char *id, const char *name, int dirfd,
                        struct mayfly_error *err);

/* Reads the configuration of the image or layer in the directory `dir_fd`, whose path is `path`. Returns 0, -ENOENT without an error when it
 * is neither, -EBADMSG with the damage as the message, or another negative errno. */
int mf_oci_stored_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err);

#endif
