/* SPDX-License-Identifier: MIT */
#ifndef MF_STORED_H
#define MF_STORED_H

/* Opening an image that is in the store. */

#include "image/open.h"
#include "store/list.h"

/* Opens the image of image->id with a shared lock, unless it is damaged: fills in dir_fd and config, or damage. Returns
 * 0; -ENOENT, without an error, when it must be fetched; -EWOULDBLOCK while another process gives or takes its name; or
 * another negative errno. Only what costs next to nothing is looked at; mayfly_store_verify() looks at everything. */
int mf_stored_open(int store, struct mayfly_image *image, struct mayfly_error *err);

/* Undoes that and returns `r`. */
int mf_stored_close(struct mayfly_image *image, int r);

/* A mf_describe_fn. */
int mf_stored_describe(int dir_fd, const char *path, struct mf_description *ret);

/* Parses the manifest of the stored image whose directory, at `path`, is open. Returns 0, -EBADMSG when it is damaged,
 * with the damage as the message, or another negative errno. */
int mf_image_config(int dir_fd, const char *path, struct mf_image_config **ret, struct mayfly_error *err);

#endif
