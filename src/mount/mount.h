/* SPDX-License-Identifier: MIT */
#ifndef MF_MOUNT_H
#define MF_MOUNT_H

/* The inside of mayfly-mount. */

#include <stddef.h>

#include <mayfly/error.h>

#include "privilege/serve.h"

struct mount_call {
        const int *
                fds; /* of the operation: pidfd of the container's PID 1; ATTACH: the mount namespace of a tmpfs, perhaps */
        size_t n_fds;
        int is_users; /* this process is root of an ordinary user's namespace */
        struct mf_unpack arguments;
        struct mf_answer answer;
};

/* The operations. Each returns 0, or a negative errno with the error filled. */
int mount_attach(struct mount_call *call, struct mayfly_error *err);
int mount_detach(struct mount_call *call, struct mayfly_error *err);

/* mount.c: enters the container, with the right to mount there. Returns 0, or a negative errno with the error filled. */
int mount_enter(const struct mount_call *call, struct mayfly_error *err);

/* users.c: writes which process uses the mount with this ID, and how, into `ret`: an empty text when none was found. `proc` is a directory
 * of /proc on the host. */
void mount_find_user(int proc, unsigned long long mount, char *ret, size_t size);

#endif
