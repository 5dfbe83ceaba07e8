/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_PIN_H
#define MF_OCI_PIN_H

/* Finds the OCI image that a reference leads to now. Only its documents are read: they have the digests of its layers. */

#include <mayfly/image.h>

#include "model/reference.h"
#include "oci/resolve.h"

/* What a pin consists of, and the memory that it points to. */
struct mf_oci_pin {
        struct mf_oci_image image;
        char id[MF_ID_LENGTH + 1]; /* "sha256-...", of the digest that is pinned */
        const char *kind;          /* "index", "manifest" or "config": what that digest is of */
        char **platforms;          /* that the image is there for, NULL-terminated */
        char *url;                 /* where it was found */
        char *reference;           /* pinned */
        uint64_t size;             /* of config and layers for this host as they are served, in bytes */
};

/* Makes a pin. `bare` is the reference without a pin. *ret is for mf_oci_pin_free(), and set on success only. Returns 0 or negative
 * errno. */
int mf_oci_pin_make(struct mf_oci_pin **ret, const struct mf_reference *reference, const char *bare,
                    const struct mayfly_image_options *options, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_oci_pin *mf_oci_pin_free(struct mf_oci_pin *pin);

#endif
