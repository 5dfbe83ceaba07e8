/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_DOCKER_H
#define MF_OCI_DOCKER_H

/* The list of images in an archive of `docker save`, manifest.json. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

#include "model/image-id.h"
#include "oci/files.h"

/* A layer: a tar in the archive, which its diff_id names, whatever the file is called. */
struct mf_docker_layer {
        char digest[MF_ID_LENGTH + 1];
        char *file;
};

struct mf_docker_image {
        char config[MF_ID_LENGTH + 1]; /* its digest */
        char *config_file;
        char *tag; /* the first; NULL: none */
        struct mf_docker_layer *layers;
        size_t n_layers;
        struct mf_buffer manifest; /* made of all this, as the OCI specification has it */
};

struct mf_docker_images {
        struct mf_docker_image *list;
        size_t n;
};

/* Reads the list. *ret is for mf_docker_images_clear(), and set on success only. Returns 0, -ENOENT without an error when there is no
 * manifest.json, or another negative errno. */
int mf_docker_images_read(struct mf_docker_images *ret, const struct mf_oci_files *files, struct mayfly_error *err);
void mf_docker_images_clear(struct mf_docker_images *images);

#endif
