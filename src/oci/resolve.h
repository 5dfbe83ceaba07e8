/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_RESOLVE_H
#define MF_OCI_RESOLVE_H

/* From a pin to the manifest and the configuration of an image: the documents are read from a source, and their digests checked. */

#include <mayfly/error.h>

#include "oci/config.h"
#include "oci/document.h"
#include "oci/source.h"

/* An image for this host. */
struct mf_oci_image {
        enum mf_oci_kind pinned;            /* what the pin, or the tag, is of */
        char index[MF_ID_LENGTH + 1];       /* digest; empty when there is no index */
        char **platforms;                   /* that the index has, "linux/arm/v7", NULL-terminated; NULL: no index */
        char manifest_id[MF_ID_LENGTH + 1]; /* digest of the manifest, as the source has it */
        struct mf_oci_document manifest;    /* its layers are as many as those of the config */
        struct mf_oci_config config;
        struct mf_buffer config_text;
};

struct mf_oci_request {
        struct mf_oci_source *source;
        const char *pin;  /* "sha256:..." of an index, a manifest or a config; NULL: see tag */
        const char *tag;  /* without a pin, what to ask the source for; NULL: what it has without asking */
        const char *name; /* for the image */
        int (*cancelled)(void *userdata);
        void *userdata;
};

/* Finds the image. *ret is for mf_oci_image_clear(), and set on success only. Returns 0 or negative errno. */
int mf_oci_resolve(struct mf_oci_image *ret, const struct mf_oci_request *request, struct mayfly_error *err);
void mf_oci_image_clear(struct mf_oci_image *image);

#endif
