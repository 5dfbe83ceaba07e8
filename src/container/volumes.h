/* SPDX-License-Identifier: MIT */
#ifndef MF_VOLUMES_H
#define MF_VOLUMES_H

/* Checks the volumes of a container's spec and image, and turns them into options of mayfly-launch (appc specification, "Volume
 * Setup"). */

#include <mayfly/container.h>

#include "model/image-config.h"
#include "protocol/message.h"
#include "util/id-range.h"

struct mf_volumes {
        char **argv; /* options of mayfly-launch, NULL-terminated, or NULL for none */
        /* Mount namespaces, borrowed, each with a shared volume on MF_TMPFS_PATH; numbered in the options. */
        int namespaces[MF_SHARED_VOLUMES_MAX];
        size_t n_namespaces;
        const struct mf_id_range *ids; /* of a tmpfs that is for these IDs only; borrowed, NULL if there is none */
};

#define MF_TMPFS_PATH "/tmp"

/* *ret is to be cleared in any case. */
int mf_volumes_plan(const struct mayfly_container *container, struct mf_volumes *ret, struct mayfly_error *err);
void mf_volumes_clear(struct mf_volumes *volumes);

/* Keeps what each volume of an array has from its caller, and lets it go. NULL is fine. */
void mf_volumes_hold(struct mayfly_volume *volumes);
void mf_volumes_release(struct mayfly_volume *volumes);

#endif
