/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_DIRECTORY_H
#define MF_STORE_DIRECTORY_H

/* The store's directory, and the rules for all processes that use it. The rules need no clock. They hold when any
 * process dies at any moment, because the kernel gives up the locks of a dead process.
 *
 *     images/ID/    an image. It is in use while a process has a shared flock on the directory. It gets and loses its
 *                   name by one rename, and only the holder of locks/ID may do that. Before its files are removed it is
 *                   moved to tmp/.
 *     locks/ID      a process with an exclusive flock is about to give or take away the name images/ID.
 *     layers/ID/    a layer made from images: see layer-cache.h. It is in use while a process has a shared flock on the
 *                   directory. It gets its name by a rename that fails when the name is taken. It loses its name by a
 *                   rename to tmp/; a process that has an exclusive flock on it, or finds it damaged, may do that. It
 *                   can be made again at any time.
 *     tmp/NAME/     being unpacked, or shared by containers (exclusive flock), dropped but still in use (shared flock), or without
 *                   an owner.
 *
 * A flock counts only when the name still leads to the file that was locked. */

#include <stdint.h>

#include <mayfly/error.h>

#include "model/reference.h"

#define MF_TMP_NAME_MAX 40

/* The directory's path, allocated: the option, or the environment's, or the default. */
int mf_store_path(const char *option, char **ret, struct mayfly_error *err);
/* Opens the store. A missing one is made, or, with `create` 0, -ENOENT is returned without an error. */
int mf_store_open(const char *path, int create, int *ret, struct mayfly_error *err);
int mf_store_is_id(const char *name);

/* Takes locks/ID, without waiting. 0, -EWOULDBLOCK, or another -errno. */
int mf_store_lock(int store, const char *id, int *ret);
/* Removes locks/ID, which the caller holds, when there is no images/ID (any more). */
void mf_store_remove_lock(int store, const char *id);

/* What is in the store under an ID. */
#define MF_IMAGES "images"
#define MF_LAYERS "layers"

/* The root file system in the directory of an image or layer, whatever format the image was of. */
#define MF_ROOTFS "rootfs"

/* The file of an image that lists, a line each, the IDs of the entries of images/ that have its files, where it has none itself. */
#define MF_PARTS "layers"
#define MF_PARTS_MAX ((size_t) 64 * 1024)

/* Opens DIRECTORY/ID with a flock of kind `operation`, without waiting. 0, -ENOENT, -EWOULDBLOCK, or another -errno. */
int mf_store_open_locked(int store, const char *directory, const char *id, int operation, int *ret);
/* Whether DIRECTORY/ID is still what `fd` is. */
int mf_store_is_current(int store, const char *directory, const char *id, int fd);

/* Notes that the open image or layer is in use now. */
void mf_store_touch(int fd);

/* Makes and locks a new directory in tmp/; `name` is relative to the store. 0 or -errno. */
int mf_store_make_temporary(int store, char name[MF_TMP_NAME_MAX], int *ret);
/* By the rules above: DIRECTORY/ID becomes a directory in tmp/, in use or not. 0 (also with none) or -errno. */
int mf_store_move_to_tmp(int store, const char *directory, const char *id, char name[MF_TMP_NAME_MAX]);
/* Removes a directory in tmp/ unless it is in use. `fd` is the directory (its lock is given up), or -1. */
void mf_store_remove_if_unused(int store, const char *name, int fd);

/* Removes what has no owner in tmp/. `each` (may be NULL) is called before for each such directory, with its size;
 * it returns 0 to have it removed. Returns 0, or the first -errno of a removal that failed. */
int mf_store_sweep(int store, int (*each)(void *userdata, const char *name, uint64_t bytes), void *userdata);

#endif
