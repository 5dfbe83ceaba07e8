/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_DOCUMENT_H
#define MF_OCI_DOCUMENT_H

/* Indexes and manifests, of the OCI image specification and of docker (manifest list, schema 2). */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

#include "model/image-id.h"

enum mf_oci_kind { MF_OCI_INDEX, MF_OCI_MANIFEST, MF_OCI_CONFIG };

/* What a document says of another document or of a layer. */
struct mf_oci_descriptor {
        char *media_type;              /* never NULL; empty where it is missing */
        char digest[MF_ID_LENGTH + 1]; /* "sha256:..." or "sha512:..." */
        uint64_t size;
        char **urls;                       /* other places that have it, NULL-terminated; NULL: none */
        char *os, *architecture, *variant; /* the platform in an index; NULL: not said */
        char *ref_name;                    /* the name or tag in an index; NULL: none */
};

struct mf_oci_document {
        enum mf_oci_kind kind;
        char *media_type;                /* as the document says; NULL: not said */
        struct mf_oci_descriptor config; /* of a manifest */
        struct mf_oci_descriptor *list;  /* an index's manifests, or a manifest's layers, the lowest first */
        size_t n;
};

/* Parses a document: an index, a manifest, or a config, of which only the kind is set. *ret is for mf_oci_document_clear(), and set on
 * success only. Returns 0, -EBADMSG when it is none of these, or -ENOMEM. */
int mf_oci_document_parse(struct mf_oci_document *ret, const char *text, size_t size, struct mayfly_error *err);
void mf_oci_document_clear(struct mf_oci_document *document);

/* Returns the bytes of a manifest's config and layers as they are served; UINT64_MAX when they are more. */
uint64_t mf_oci_manifest_size(const struct mf_oci_document *manifest);

/* Checks the file "oci-layout" of a layout. Returns 0 or -EBADMSG. */
int mf_oci_layout_check(const char *text, size_t size, struct mayfly_error *err);

/* Checks the media types of a manifest's config and layers. Returns 0, or -EBADMSG for a type that mayfly cannot use. */
int mf_oci_manifest_check(const struct mf_oci_document *manifest, struct mayfly_error *err);

#endif
