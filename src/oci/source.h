/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_SOURCE_H
#define MF_OCI_SOURCE_H

/* A source of blobs: a place that has the documents and layers of an image, by their digests. A layout directory is one, and so
 * are an archive and a repository of a registry.
 *
 * A source does not vouch for what it gives: whoever asks compares the size and the digest. A source checks a digest only to try
 * its next place (a mirror) after a wrong answer. The messages of a source say what could not be read, from where, why, and what
 * to do; they do not repeat the reference of the image. */

#include <stddef.h>
#include <stdint.h>

#include <mayfly/error.h>

#include "util/buffer.h"

/* The bytes of a manifest, an index or a config: a longer one is refused. Registries have the same limit. */
#define MF_OCI_DOCUMENT_MAX ((size_t) 4 * 1024 * 1024)

/* A blob, as a descriptor has it. */
struct mf_oci_blob {
        const char *digest;      /* "sha256:<64 hex>" or "sha512:<128 hex>", in lower case */
        uint64_t size;           /* bytes; a source may stop after one byte more */
        const char *const *urls; /* other places that have it, NULL-terminated; NULL: none */
        int is_document;         /* a config: a source with several places checks it, and takes the next place's */
};

/* Where the bytes of a blob go. */
struct mf_oci_sink {
        /* Takes the next bytes, each byte once. Returns 0, or negative errno to end; then its error is returned as it is, without
         * a message. */
        int (*data)(void *userdata, const void *data, size_t size);
        /* Polled several times a second; non-zero cancels with -ECANCELED. May be NULL. */
        int (*cancelled)(void *userdata);
        void *userdata;
        /* Gets the name of each place that gave bytes, "the mirror 127.0.0.1:5000", when the source has several. It is called by the
         * thread that asks. May be NULL. */
        void (*given_by)(void *userdata, const char *place);
};

struct mf_oci_source;

struct mf_oci_source_type {
        /* Reads an index or a manifest. `which` is its digest or, to learn the digest of an image that is not pinned, the tag, or
         * NULL when the reference has none. On success *ret is for mf_buffer_clear(), and *ret_media_type, allocated, is the type
         * that the source says it has, or NULL when the source does not say. Returns 0 or negative errno: -ENOENT when the
         * source has no such document, -EFBIG when it is longer than MF_OCI_DOCUMENT_MAX. `cancelled` is as in struct
         * mf_oci_sink. */
        int (*get_manifest)(struct mf_oci_source *source, const char *which, struct mf_buffer *ret,
                            char **ret_media_type, int (*cancelled)(void *userdata), void *userdata,
                            struct mayfly_error *err);
        /* Reads a blob: a config or a layer. Several threads may call it at once. Returns 0 when the sink has taken all that the
         * source has, or negative errno: -ENOENT when the source has no such blob. */
        int (*get_blob)(struct mf_oci_source *source, const struct mf_oci_blob *blob, const struct mf_oci_sink *sink,
                        struct mayfly_error *err);
        void (*free)(struct mf_oci_source *source);
};

/* The first member of each source. */
struct mf_oci_source {
        const struct mf_oci_source_type *type;
        char *shown; /* the place, for messages: "127.0.0.1:5000/redis", "/srv/redis.tar"; without credentials */
};

/* NULL is fine; returns NULL. */
static inline struct mf_oci_source *mf_oci_source_free(struct mf_oci_source *source)
{
        if (source)
                source->type->free(source);
        return NULL;
}

static inline void mf_oci_source_freep(struct mf_oci_source **source)
{
        mf_oci_source_free(*source);
}

#endif
