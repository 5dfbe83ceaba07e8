/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_FOLDER_H
#define MF_STORE_FOLDER_H

/* The store's folder and who may do what in it. All who touch it go by these rules, which need no clock and survive the
 * death of anybody at any moment, because the kernel lets go of a dead process's locks:
 *
 *     images/ID/    an image. Shared flock on the folder: in use. It gets its name, and loses it, by one rename, which
 *                   only the holder of locks/ID does. One whose files are to be removed is first moved to tmp/.
 *     locks/ID      exclusive flock: is about to give or take away the name images/ID.
 *     layers/ID/    made from images: see layer-cache.h. Shared flock on the folder: in use. It gets its name by a
 * rename that fails when there is one already, and loses it likewise by one to tmp/, from who has an exclusive flock on
 * it or finds it damaged. It can be made again at any time. tmp/NAME/     being unpacked (exclusive flock), still in
 * use though dropped (shared flock), or else ownerless.
 *
 * A flock counts only if the name still leads to what was locked. */

#include <stdint.h>

#include <mayfly/error.h>

#include "model/reference.h"

#define MF_TMP_NAME_MAX 40

/* The folder's path, allocated: the option, or the environment's, or the default. */
int mf_store_path(const char *option, char **ret, struct mayfly_error *err);
/* Opens it. When it is missing it is made, or, with `create` 0, -ENOENT returned, without an error. */
int mf_store_open(const char *path, int create, int *ret, struct mayfly_error *err);
int mf_store_is_id(const char *name);

/* Takes locks/ID, without waiting. 0, -EWOULDBLOCK, or another -errno. */
int mf_store_lock(int store, const char *id, int *ret);
/* For when images/ID is not, or is no more: removes the lock that is held. */
void mf_store_remove_lock(int store, const char *id);

/* What is in the store under an ID. */
#define MF_IMAGES "images"
#define MF_LAYERS "layers"

/* The root file system in the directory of an image or layer, whatever format the image was of. */
#define MF_ROOTFS "rootfs"

/* Opens FOLDER/ID with a flock of kind `operation`, without waiting. 0, -ENOENT, -EWOULDBLOCK, or another -errno. */
int mf_store_open_locked(int store, const char *folder, const char *id, int operation, int *ret);
/* Whether FOLDER/ID is still what `fd` is. */
int mf_store_is_current(int store, const char *folder, const char *id, int fd);

/* Notes that the open image or layer is in use now. */
void mf_store_touch(int fd);

/* Makes and locks a new folder in tmp/; `name` is relative to the store. 0 or -errno. */
int mf_store_make_temporary(int store, char name[MF_TMP_NAME_MAX], int *ret);
/* By the rules above: FOLDER/ID becomes a folder in tmp/, in use or not. 0 (also when there is none) or -errno. */
int mf_store_move_to_tmp(int store, const char *folder, const char *id, char name[MF_TMP_NAME_MAX]);
/* Removes a folder in tmp/ unless it is in use. `fd` is the folder (its lock is given up), or -1. */
void mf_store_remove_if_unused(int store, const char *name, int fd);

/* Removes what is ownerless in tmp/. `each` (NULL is fine) is told of every such folder before, with its size on disk;
 * it returns 0 to have it removed. Returns 0, or the first -errno of a removal that failed. */
int mf_store_sweep(int store, int (*each)(void *userdata, const char *name, uint64_t bytes), void *userdata);

#endif
