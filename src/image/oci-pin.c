/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-pin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/oci-fetch.h"
#include "model/image-id.h"
#include "model/oci-name.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

#define KNOWN_MAX 1500

/* --- which image is meant ---------------------------------------------------------------------------------------- */

/* For a layout with several images: lists them. Returns -EINVAL. */
static int ambiguous(const struct mf_oci_document *index, const char *shown, const char *bare, struct mayfly_error *err)
{
        char known[KNOWN_MAX];
        size_t used = 0;

        for (size_t i = 0; i < index->n && used < sizeof(known); i++) {
                const char *name = index->list[i].ref_name;
                used += (size_t) snprintf(known + used, sizeof(known) - used, "%s%s%s%.100s%s", i ? ", " : "",
                                          index->list[i].digest, name ? " (" : "", name ? name : "", name ? ")" : "");
        }
        return mf_error(err, -EINVAL, MAYFLY_STAGE_MANIFEST, "%s has %zu images: %s; pin one of them, as %.300s@%s",
                        shown, index->n, known, bare, index->list[0].digest);
}

/* Finds the digest by which the only image of a layout or archive is pinned: that of its index or manifest in a layout, that of its
 * config in an archive of docker, which has no other. Returns 0 or negative errno. */
static int find_local(struct mf_oci_source *source, struct mf_oci_patience *patience, char ret[MF_ID_LENGTH + 1],
                      struct mayfly_error *err)
{
        struct mf_oci_document document = { 0 };
        struct mf_buffer text = { 0 };
        char *media_type = NULL;

        int r = source->type->get_manifest(source, NULL, &text, &media_type, mf_oci_is_cancelled, patience, err);
        if (r < 0)
                return r;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        r = mf_oci_document_parse(&document, text.data, text.size, &why);
        mf_buffer_clear(&text);
        free(media_type);
        if (r < 0)
                return mf_error(err, r, why.stage, "%s: %s", source->shown, why.message);
        if (document.kind == MF_OCI_MANIFEST)
                strcpy(ret, document.config.digest);
        else if (document.kind == MF_OCI_INDEX && document.n == 1)
                strcpy(ret, document.list[0].digest);
        else if (document.kind == MF_OCI_INDEX && document.n > 1)
                r = ambiguous(&document, source->shown, patience->text, err);
        else
                r = mf_error(err, -ENOENT, MAYFLY_STAGE_MANIFEST, "%s has no image; check the path", source->shown);
        mf_oci_document_clear(&document);
        return r;
}

/* --- the pin ----------------------------------------------------------------------------------------------------- */

/* Lists the platform of an image without an index. Returns 0 or -ENOMEM. */
static int list_own_platform(const struct mf_oci_config *config, char ***ret)
{
        char *text = NULL;

        if (!config->os || !config->architecture)
                return 0;
        if (asprintf(&text, "%s/%s%s%s", config->os, config->architecture, config->variant ? "/" : "",
                     config->variant ? config->variant : "") < 0)
                return -ENOMEM;
        return mf_strv_add(ret, text);
}

/* Fills in what the image and the place say. Returns 0 or -ENOMEM. */
static int describe(struct mf_oci_pin *pin, const struct mf_oci_source *source, const struct mf_reference *reference,
                    const char *bare)
{
        static const char *const kinds[] = {
                [MF_OCI_INDEX] = "index", [MF_OCI_MANIFEST] = "manifest", [MF_OCI_CONFIG] = "config"
        };
        const struct mf_oci_image *image = &pin->image;
        const char *digest = image->pinned == MF_OCI_INDEX    ? image->index
                             : image->pinned == MF_OCI_CONFIG ? image->manifest.config.digest
                                                              : image->manifest_id;

        pin->kind = kinds[image->pinned];
        pin->size = mf_oci_manifest_size(&image->manifest);
        pin->url = strdup(reference->url ? reference->url : source->shown);
        if (!pin->url || mf_image_id_of_digest(digest, pin->id) < 0 ||
            asprintf(&pin->reference, "%s@%s", bare, digest) < 0) {
                pin->reference = NULL;
                return -ENOMEM;
        }
        pin->platforms = mf_take(pin->image.platforms);
        return pin->platforms ? 0 : list_own_platform(&image->config, &pin->platforms);
}

/* Finds the image in the source. Returns 0 or negative errno. */
static int resolve(struct mf_oci_pin *pin, struct mf_oci_source *source, const struct mf_reference *reference,
                   struct mf_oci_patience *patience, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *name = NULL;
        struct mf_oci_name parts = { 0 };
        char digest[MF_ID_LENGTH + 1];

        int r = mf_oci_name(reference, &name, err);
        if (r == 0 && !reference->url)
                r = mf_oci_name_parse(&parts, reference->repository, err);
        if (r == 0 && reference->url && reference->id[0])
                mf_digest_of_image_id(reference->id, digest);
        else if (r == 0 && reference->url)
                r = find_local(source, patience, digest, err);
        if (r == 0) {
                const struct mf_oci_request request = {
                        .source = source,
                        .pin = reference->url ? digest : NULL,
                        .tag = parts.tag,
                        .name = name,
                        .cancelled = mf_oci_is_cancelled,
                        .userdata = patience,
                };
                r = mf_oci_resolve(&pin->image, &request, err);
        }
        if (r == 0 && describe(pin, source, reference, patience->text) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_MANIFEST);
        mf_oci_name_clear(&parts);
        return r;
}

int mf_oci_pin_make(struct mf_oci_pin **ret, const struct mf_reference *reference, const char *bare,
                    const struct mayfly_image_options *options, struct mayfly_error *err)
{
        mf_cleanup(mf_oci_source_freep) struct mf_oci_source *source = NULL;
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        struct mf_oci_patience patience = { .options = options, .text = bare };
        int r = mf_oci_source_open(&source, reference, &patience, err);
        if (r < 0)
                return r;
        struct mf_oci_pin *pin = calloc(1, sizeof(*pin));
        r = pin ? resolve(pin, source, reference, &patience, &why) : mf_error_oom(&why, MAYFLY_STAGE_MANIFEST);
        if (r == 0) {
                *ret = pin;
                return 0;
        }
        mf_oci_pin_free(pin);
        return mf_error(err, r, why.stage, "%.300s cannot be pinned: %s", bare, why.message);
}

struct mf_oci_pin *mf_oci_pin_free(struct mf_oci_pin *pin)
{
        if (!pin)
                return NULL;
        mf_oci_image_clear(&pin->image);
        mf_strv_free(pin->platforms);
        free(pin->url);
        free(pin->reference);
        free(pin);
        return NULL;
}
