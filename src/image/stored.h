/* SPDX-License-Identifier: MIT */
#ifndef MF_STORED_H
#define MF_STORED_H

/* Opens images that are in the store. */

#include "image/open.h"
#include "store/list.h"

/* What an entry of the store is: all three kinds are called by the digest of some file. */
enum mf_stored_kind { MF_STORED_ACI, MF_STORED_OCI_IMAGE, MF_STORED_OCI_LAYER };

/* Opens the image of image->id with a shared lock, unless it is damaged: fills in dir_fd and config, or damage. Returns
 * 0; -ENOENT, without an error, when it must be fetched; -EWOULDBLOCK while another process renames it; -EEXIST when the
 * entry of that ID is of another kind than `wanted`; or another negative errno. Checks only what costs next to nothing;
 * mayfly_store_verify() checks everything. */
int mf_stored_open(int store, struct mayfly_image *image, enum mf_stored_kind wanted, struct mayfly_error *err);

/* Closes the image again. Returns `r`. */
int mf_stored_close(struct mayfly_image *image, int r);

/* The mf_describe_fn of images: sets name and labels. Returns 0, also for a damaged image, or -ENOMEM. */
int mf_stored_describe(int dir_fd, const char *path, struct mf_description *ret);

/* Parses the manifest of a stored image. Its directory is open, and `path` is its path. Returns 0, -EBADMSG with the damage as
 * the message, or another negative errno. */
int mf_image_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err);

#endif
