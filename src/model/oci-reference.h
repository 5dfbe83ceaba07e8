/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_REFERENCE_H
#define MF_OCI_REFERENCE_H

/* References of OCI images, for reference.c: "oci:REGISTRY/NAME[:TAG]@sha256:<64 hex>" and "oci:file:///PATH@sha256:<64 hex>". */

#include "model/reference.h"

/* Whether the text begins with "oci:". */
int mf_oci_reference_is(const char *text);

/* Do what mf_reference_parse() and mf_reference_parse_unpinned() do, for a text that begins with "oci:". */
int mf_oci_reference_parse(struct mf_reference *ret, const char *text, struct mayfly_error *err);
int mf_oci_reference_parse_unpinned(struct mf_reference *ret, char **ret_bare, const char *text,
                                    struct mayfly_error *err);

#endif
