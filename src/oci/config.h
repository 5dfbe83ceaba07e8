/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_CONFIG_H
#define MF_OCI_CONFIG_H

/* The configuration of an OCI image: how its app runs, and the diff_ids of its layers. */

#include <stddef.h>

#include <mayfly/error.h>

#include "model/image-config.h"

/* What a configuration has beside what a container needs. All strings are NULL when they are not said. */
struct mf_oci_config {
        struct mf_image_config *image; /* its dependencies are the layers, the lowest first */
        char *os, *architecture, *variant, *created, *author;
};

/* Parses a configuration. `name` becomes the image's name. *ret is for mf_oci_config_clear(), and set on success only. Returns 0,
 * -EBADMSG or -ENOMEM. */
int mf_oci_config_parse(struct mf_oci_config *ret, const char *text, size_t size, const char *name,
                        struct mayfly_error *err);
void mf_oci_config_clear(struct mf_oci_config *config);

/* Returns the text of a configuration indented, for people to read; allocated, NULL when memory is short or it is not JSON. */
char *mf_oci_config_pretty(const char *text, size_t size);

/* Makes the configuration of a layer by itself: it has a name, and runs nothing. Returns NULL when memory is short. */
struct mf_image_config *mf_oci_layer_config(const char *name);

#endif
