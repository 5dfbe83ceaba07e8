/* SPDX-License-Identifier: MIT */
#ifndef MF_MOUNT_H
#define MF_MOUNT_H

/* The inside of mayfly-mount. */

#include <stddef.h>

#include <mayfly/error.h>

#include "privilege/serve.h"

/* The operations. Their first descriptor is a pidfd of the container's PID 1; the second one of ATTACH may be the mount namespace of a
 * tmpfs. */
int mount_attach(struct mf_serve_call *call, struct mayfly_error *err);
int mount_detach(struct mf_serve_call *call, struct mayfly_error *err);
/* Takes off what mount_attach() has mounted: the library did not hear of it. */
void mount_undo(void);

/* mount.c: enters the container, with the right to mount there. Returns 0, or a negative errno with the error filled. */
int mount_enter(const struct mf_serve_call *call, struct mayfly_error *err);

/* lock.c: makes a copy of a tree that is attached nowhere, and which loses its place, for the container with this pidfd of its PID 1: nothing in
 * the container can change the copy's attributes or take away what is mounted in it. Returns a descriptor or negative errno. */
int mount_lock(int container, int tree, int is_directory);

/* users.c: writes which process uses the mount with this ID, and how, into `ret`: an empty text when none was found. `proc` is a directory
 * of /proc on the host. */
void mount_find_user(int proc, unsigned long long mount, char *ret, size_t size);

#endif
