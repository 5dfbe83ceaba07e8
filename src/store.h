/* SPDX-License-Identifier: MIT */
#ifndef MF_STORE_H
#define MF_STORE_H

/* The content-addressed store on disk:
 *
 *     STORE/images/sha512-<hex>/{manifest,rootfs}   published by one rename, never changed after
 *     STORE/locks/sha512-<hex>                      flock: exclusive while fetching or removing, shared while in use
 *     STORE/tmp/XXXXXX/                             being fetched; flocked by its fetcher, else stale and swept
 */

#include <mayfly/image.h>

#include "manifest.h"

struct mayfly_image {
        char *id;
        char *path;   /* STORE/images/ID */
        char *rootfs; /* STORE/images/ID/rootfs */
        int lock_fd;  /* shared lock, for as long as the image is in use */
        int fetched;
        struct mf_run_config *config;
};

#endif
