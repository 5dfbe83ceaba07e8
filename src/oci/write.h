/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_WRITE_H
#define MF_OCI_WRITE_H

/* Writes the documents of an OCI image. The same input gives the same bytes. With document.c, config.c and docker.c a user of jansson. */

#include <stdint.h>

#include "model/image-config.h"
#include "model/image-id.h"
#include "util/buffer.h"

/* A blob that a document names. */
struct mf_oci_written {
        const char *media_type;
        char digest[MF_ID_LENGTH + 1]; /* "sha256:..." */
        uint64_t size;
};

#define MF_OCI_TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define MF_OCI_TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"
#define MF_OCI_TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"

/* Write a configuration for the app of `config`, with one layer, made at `created` seconds since 1970 (INT64_MAX: not said); a manifest; an
 * index with one image, which has a name unless it is NULL. *ret is for mf_buffer_clear(), and set on success only. Return 0, -ENOMEM, or -EINVAL
 * for text that is not UTF-8, which JSON cannot hold. */
int mf_oci_write_config(struct mf_buffer *ret, const struct mf_image_config *config, const char *diff_id,
                        int64_t created);
int mf_oci_write_manifest(struct mf_buffer *ret, const struct mf_oci_written *config,
                          const struct mf_oci_written *layer);
int mf_oci_write_index(struct mf_buffer *ret, const struct mf_oci_written *manifest, const char *name);

#endif
