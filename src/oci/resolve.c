/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "oci/resolve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oci/digest.h"
#include "oci/platform.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define DEPTH_MAX 4

void mf_oci_image_clear(struct mf_oci_image *image)
{
        mf_oci_document_clear(&image->manifest);
        mf_oci_config_clear(&image->config);
        mf_buffer_clear(&image->config_text);
        mf_strv_free(image->platforms);
        *image = (struct mf_oci_image){ 0 };
}

/* Checks the digest of a document. Returns 0 or -EBADMSG. */
static int check_digest(const struct mf_oci_request *request, const char *what, const char *expected,
                        const char *actual, struct mayfly_error *err)
{
        if (strcmp(expected, actual) == 0)
                return 0;
        return mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                        "%s gave another %s than it was asked for: expected %s, actual %s; if the image changed on "
                        "purpose, pin the new digest",
                        request->source->shown, what, expected, actual);
}

/* --- config ------------------------------------------------------------------------------------------------------- */

/* Bytes that arrive from a source. */
struct take {
        struct mf_buffer buffer;
        uint64_t max;
        const struct mf_oci_request *request;
};

static int take_bytes(void *userdata, const void *data, size_t size)
{
        struct take *take = userdata;

        if (size > take->max - take->buffer.size)
                return -EFBIG;
        return mf_buffer_add(&take->buffer, data, size);
}

static int is_cancelled(void *userdata)
{
        const struct take *take = userdata;

        return take->request->cancelled && take->request->cancelled(take->request->userdata);
}

/* Reads and checks the config of the manifest. Returns 0 or negative errno. */
static int get_config(struct mf_oci_image *image, const struct mf_oci_request *request, struct mayfly_error *err)
{
        const struct mf_oci_descriptor *config = &image->manifest.config;
        const struct mf_oci_blob blob = { config->digest, config->size, NULL, 1 };
        struct take take = { .max = config->size, .request = request };
        const struct mf_oci_sink sink = { take_bytes, is_cancelled, &take, NULL };
        char actual[MF_ID_LENGTH + 1];

        if (config->size > MF_OCI_DOCUMENT_MAX)
                return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                "the image's manifest: config.size: %llu bytes are over the limit of %zu",
                                (unsigned long long) config->size, MF_OCI_DOCUMENT_MAX);
        int r = request->source->type->get_blob(request->source, &blob, &sink, err);
        if (r == 0)
                r = mf_oci_digest(&take.buffer, config->digest, actual, err);
        if (r == 0 && take.buffer.size != config->size)
                r = -EFBIG;
        if (r == -EFBIG)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_DIGEST,
                             "the config %s in %s does not have the %llu bytes that the manifest says", config->digest,
                             request->source->shown, (unsigned long long) config->size);
        if (r == 0)
                r = check_digest(request, "config", config->digest, actual, err);
        if (r == -ENOMEM)
                mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        image->config_text = take.buffer;
        return r;
}

/* Parses the config, and compares its layers with those of the manifest. Returns 0 or negative errno. */
static int read_config(struct mf_oci_image *image, const struct mf_oci_request *request, struct mayfly_error *err)
{
        int r = mf_oci_config_parse(&image->config, image->config_text.data, image->config_text.size, request->name,
                                    err);

        if (r == 0 && image->config.image->n_dependencies != image->manifest.n)
                r = mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                             "the image's manifest has %zu layers, but its config has %zu diff_ids; they must be as "
                             "many",
                             image->manifest.n, image->config.image->n_dependencies);
        return r;
}

/* --- manifest ----------------------------------------------------------------------------------------------------- */

/* Whether the bytes are no JSON object, as those of a layer. */
static int is_no_document(const struct mf_buffer *bytes)
{
        size_t i = 0;

        while (i < bytes->size && strchr(" \t\r\n", bytes->data[i]) && bytes->data[i])
                i++;
        return i == bytes->size || bytes->data[i] != '{';
}

/* Reads the document `which` and checks its digest. A source that knows images by their config answers with the manifest of the image;
 * *ret_is_by_config is 1 then. Returns 0 or negative errno. */
static int get_document(const struct mf_oci_request *request, const char *which, int is_digest,
                        struct mf_oci_document *ret, char ret_digest[MF_ID_LENGTH + 1], int *ret_is_by_config,
                        struct mayfly_error *err)
{
        struct mf_buffer bytes = { 0 };
        mf_cleanup(mf_freep) char *media_type = NULL;

        *ret_is_by_config = 0;
        int r = request->source->type->get_manifest(request->source, which, &bytes, &media_type, request->cancelled,
                                                    request->userdata, err);
        if (r < 0)
                return r;
        r = mf_oci_digest(&bytes, is_digest ? which : "sha256", ret_digest, err);
        if (r == 0) {
                struct mayfly_error why = MAYFLY_ERROR_INIT;
                r = mf_oci_document_parse(ret, bytes.data, bytes.size, &why);
                /* A document that is not the one that was asked for need not be one at all. */
                if (r == -EBADMSG && is_digest)
                        (void) check_digest(request, "document", which, ret_digest, err);
                if (r == -EBADMSG && is_digest && is_no_document(&bytes))
                        mf_error(err, r, why.stage,
                                 "%s has no image under %s, which is a layer or another file; pin the digest of the "
                                 "image's manifest or index",
                                 request->source->shown, which);
                else if (r < 0)
                        mf_error(err, r, why.stage, "%s has no image under %s: %s", request->source->shown,
                                 which ? which : "this name", why.message);
        }
        if (r == 0 && is_digest && strcmp(which, ret_digest) != 0) {
                *ret_is_by_config = ret->kind == MF_OCI_MANIFEST && strcmp(ret->config.digest, which) == 0;
                r = *ret_is_by_config ? 0 : check_digest(request, "document", which, ret_digest, err);
                if (r < 0)
                        mf_oci_document_clear(ret);
        }
        mf_buffer_clear(&bytes);
        return r;
}

/* Lists the platforms of an index, each once, but not what only looks like one: the notes about other manifests that build tools add.
 * Returns 0 or -ENOMEM. */
static int list_platforms(const struct mf_oci_document *index, char ***ret)
{
        for (size_t i = 0; i < index->n; i++) {
                const struct mf_oci_descriptor *entry = &index->list[i];
                const char *variant = entry->variant && *entry->variant ? entry->variant : NULL;
                char *text;
                if (!entry->os || !entry->architecture || strcmp(entry->os, "unknown") == 0)
                        continue;
                if (asprintf(&text, "%s/%s%s%s", entry->os, entry->architecture, variant ? "/" : "",
                             variant ? variant : "") < 0)
                        return -ENOMEM;
                int is_known = 0;
                for (char **known = *ret; known && *known; known++)
                        is_known |= strcmp(*known, text) == 0;
                if (is_known)
                        free(text);
                else if (mf_strv_add(ret, text) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* Goes from the pin through indexes to a manifest. Returns 0 or negative errno. */
static int find_manifest(struct mf_oci_image *image, const struct mf_oci_request *request, struct mayfly_error *err)
{
        char which[MF_ID_LENGTH + 1], digest[MF_ID_LENGTH + 1];
        int is_by_config = 0;

        int r = get_document(request, request->pin ? request->pin : request->tag, request->pin != NULL,
                             &image->manifest, digest, &is_by_config, err);
        if (r < 0)
                return r;
        image->pinned = is_by_config ? MF_OCI_CONFIG : image->manifest.kind;
        for (int depth = 0; image->manifest.kind == MF_OCI_INDEX; depth++) {
                if (depth == DEPTH_MAX)
                        return mf_error(err, -EBADMSG, MAYFLY_STAGE_MANIFEST,
                                        "the image's indexes are nested more than %d deep", DEPTH_MAX);
                int chosen = mf_oci_platform_choose(&image->manifest, err);
                if (chosen < 0)
                        return chosen;
                if (depth == 0)
                        strcpy(image->index, digest);
                if (depth == 0 && list_platforms(&image->manifest, &image->platforms) < 0)
                        return mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
                strcpy(which, image->manifest.list[chosen].digest);
                mf_oci_document_clear(&image->manifest);
                r = get_document(request, which, 1, &image->manifest, digest, &is_by_config, err);
                if (r < 0)
                        return r;
        }
        if (image->manifest.kind == MF_OCI_CONFIG)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_MANIFEST,
                                "%s is the digest of an image's config, which %s does not find images by; pin the "
                                "digest of the image's manifest or index",
                                digest, request->source->shown);
        strcpy(image->manifest_id, digest);
        return mf_oci_manifest_check(&image->manifest, err);
}

int mf_oci_resolve(struct mf_oci_image *ret, const struct mf_oci_request *request, struct mayfly_error *err)
{
        struct mf_oci_image image = { 0 };

        int r = find_manifest(&image, request, err);
        if (r == 0)
                r = get_config(&image, request, err);
        if (r == 0)
                r = read_config(&image, request, err);
        if (r < 0)
                mf_oci_image_clear(&image);
        else
                *ret = image;
        return r;
}
