/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_FETCH_H
#define MF_OCI_FETCH_H

/* Fetches an OCI image and its layers for get.h: opens the place that has it, finds its manifest and config, and pulls layers. Nothing is
 * opened or asked before something is missing in the store. */

#include "image/get.h"
#include "oci/resolve.h"

struct mf_oci_fetch;

/* Prepares to fetch the image of a request, whose reference is of an OCI image. Returns 0 or negative errno: also where signatures are
 * required, which OCI images cannot have yet. */
int mf_oci_fetch_new(struct mf_oci_fetch **ret, const struct mf_image_request *request, struct mayfly_error *err);
/* NULL is fine; returns NULL. */
struct mf_oci_fetch *mf_oci_fetch_free(struct mf_oci_fetch *fetch);

/* The fetchers for the image and for its layers, which several threads may use at once. */
const struct mf_fetcher *mf_oci_image_fetcher(const struct mf_oci_fetch *fetch);
const struct mf_fetcher *mf_oci_layer_fetcher(const struct mf_oci_fetch *fetch);

/* Refuses to go on where signatures are required: those of OCI images cannot be checked yet. Returns 0 or -EOPNOTSUPP. */
int mf_oci_check_signatures(const char *text, const struct mayfly_image_options *options, struct mayfly_error *err);

/* Asks the caller's progress function, ten times a second at most, whether to go on looking for an image. Used by one thread. */
struct mf_oci_patience {
        const struct mayfly_image_options *options;
        const char *text; /* the image's reference, for the reports */
        uint64_t begin_us, next_us;
};
/* For mf_oci_request.cancelled and the like: `userdata` is a struct mf_oci_patience. Returns non-zero to give up. */
int mf_oci_is_cancelled(void *userdata);

/* Opens the place that has the image of a reference. Returns 0 or negative errno. */
int mf_oci_source_open(struct mf_oci_source **ret, const struct mf_reference *reference,
                       struct mf_oci_patience *patience, struct mayfly_error *err);

/* Sets *ret to the name of the image, allocated: what the reference says without pin and scheme. Returns 0 or negative errno. */
int mf_oci_name(const struct mf_reference *reference, char **ret, struct mayfly_error *err);

#endif
