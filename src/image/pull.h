/* SPDX-License-Identifier: MIT */
#ifndef MF_PULL_H
#define MF_PULL_H

/* The pipeline GET | decompress and hash | untar. Each stage is a thread, and there are rings of fixed size between them, so
 * memory does not grow with the image. */

#include <mayfly/image.h>

#include "aci/manifest.h"
#include "model/reference.h"
#include "trust/verify-signature.h"

/* An open file, and its beginning, which was read already. */
struct mf_file {
        int fd;
        const void *head;
        size_t head_size;
};

/* The image that mf_pull() or mf_examine() fetches. All fields but the URL may be NULL. */
struct mf_source {
        const char *url;
        const char *id;                 /* the pin */
        uint64_t size;                  /* the size that the archive must have as served, in bytes; 0: unknown */
        const char *text;               /* of the reference, for progress */
        const struct mf_file *file;     /* the file to read in place of fetching the URL, or NULL */
        const char *signature;          /* URL of the signature; NULL: it is not fetched */
        struct mf_signature_note *note; /* set on success, when the signature is fetched */
};

/* Fetches an image into the directory `dirfd`, which must be empty; on failure the caller removes it. On success it has a checked
 * `manifest` and `rootfs`, and the digest of the archive is the pinned one. The calling thread reports progress; the caller
 * reports WAIT and DONE. `options` has final values, no defaults. Returns 0 or negative errno. */
int mf_pull(const struct mf_source *source, int dirfd, const struct mayfly_image_options *options,
            struct mayfly_error *err);

/* The facts about an image. */
struct mf_examined {
        char id[MF_ID_LENGTH + 1];
        struct mf_image_config *config;
        char *manifest; /* its text, NUL-terminated */
        size_t manifest_size;
        uint64_t blob_size, archive_size; /* as served, and uncompressed, in bytes */
        uint64_t entries;
        char **warnings; /* of entries that are valid but doubtful; NULL: none */
};

/* Fetches an image to its end, and keeps only the facts about it. Checks every entry, as if it were unpacked. For a file, the
 * messages do not have its name, and rootfs must have an entry. *ret is for mf_examined_clear(), set on success only. Returns 0
 * or negative errno. */
int mf_examine(struct mf_examined *ret, const struct mf_source *source, const struct mayfly_image_options *options,
               struct mayfly_error *err);
void mf_examined_clear(struct mf_examined *examined);

#endif
