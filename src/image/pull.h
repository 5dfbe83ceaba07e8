/* SPDX-License-Identifier: MIT */
#ifndef MF_PULL_H
#define MF_PULL_H

/* One bounded pipeline: GET | decompress + hash | untar, each stage a thread, a ring of fixed size between them, so
 * that memory does not grow with the image. */

#include <mayfly/image.h>

#include "aci/manifest.h"
#include "model/reference.h"
#include "trust/verify-signature.h"

/* An open file, of which the beginning was read. */
struct mf_file {
        int fd;
        const void *head;
        size_t head_size;
};

/* What mf_pull() and mf_examine() fetch. All but the URL may be NULL. */
struct mf_source {
        const char *url;
        const char *id;                 /* the pin */
        uint64_t size;                  /* that the archive must have as served, in bytes; 0 when that is not known */
        const char *text;               /* of the reference, for progress */
        const struct mf_file *file;     /* what to read, instead of fetching the URL; NULL to fetch */
        const char *signature;          /* its URL; NULL: it is not asked for */
        struct mf_signature_note *note; /* set on success, when it is */
};

/* Fetches an image into the folder `dirfd`, which is empty and stays the caller's to remove on failure: on success it
 * has `manifest` (checked) and `rootfs`, and the archive's digest was the pinned one. The calling thread reports
 * progress (WAIT and DONE are the caller's to report). `options` has final values, no defaults. */
int mf_pull(const struct mf_source *source, int dirfd, const struct mayfly_image_options *options,
            struct mayfly_error *err);

/* What an image is. */
struct mf_examined {
        char id[MF_ID_LENGTH + 1];
        struct mf_image_config *config;
        char *manifest; /* its text, NUL-terminated */
        size_t manifest_size;
        uint64_t blob_size, archive_size; /* as served, and uncompressed, in bytes */
        uint64_t entries;
        char **warnings; /* what of the entries is valid but doubtful; NULL for nothing */
};

/* Fetches an image to its end, and keeps nothing but what it is. *ret is for mf_examined_clear(), set on success only.
 * Every entry is checked, as if it were unpacked. Of a file the messages do not name it, and its rootfs must have an
 * entry of its own. */
int mf_examine(struct mf_examined *ret, const struct mf_source *source, const struct mayfly_image_options *options,
               struct mayfly_error *err);
void mf_examined_clear(struct mf_examined *examined);

#endif
