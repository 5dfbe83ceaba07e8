/* SPDX-License-Identifier: MIT */
#ifndef MF_VOLUMES_H
#define MF_VOLUMES_H

/* Checks the volumes of a container's spec and image, and turns them into options of mayfly-launch (appc specification, "Volume
 * Setup"). */

#include <mayfly/container.h>

#include "model/image-config.h"
#include "protocol/message.h"
#include "util/id-range.h"
#include "util/keep-id.h"

struct mf_volumes {
        char **argv; /* options of mayfly-launch, NULL-terminated, or NULL for none */
        /* Mount namespaces, borrowed, each with a shared volume on MF_TMPFS_PATH; numbered in the options. And what keeps those on disk. */
        int namespaces[MF_SHARED_VOLUMES_MAX];
        size_t n_namespaces;
        const struct mf_id_range *ids; /* of a tmpfs that is for these IDs only; borrowed, NULL if there is none */
};

#define MF_TMPFS_PATH "/tmp"

/* *ret is to be cleared in any case. */
int mf_volumes_plan(const struct mayfly_container *container, struct mf_volumes *ret, struct mayfly_error *err);
void mf_volumes_clear(struct mf_volumes *volumes);

/* Checks a volume with a path for a container that runs. *ret_target is that path, tidied, to be freed in any case; it must be NULL
 * before. Returns 0 or negative errno. */
int mf_volume_check(const struct mayfly_spec *spec, const struct mayfly_volume *volume, char **ret_target,
                    struct mayfly_error *err);
/* Gives the root of the volume's tmpfs the mode and the owner that the volume asks for. Returns 0 or negative errno. */
int mf_volume_own_tmpfs(const struct mf_keep_ids *container, const struct mayfly_volume *volume,
                        struct mayfly_error *err);

/* Keeps what each volume of an array has from its caller, and lets it go. NULL is fine. */
void mf_volumes_hold(struct mayfly_volume *volumes);
void mf_volumes_release(struct mayfly_volume *volumes);

#endif
