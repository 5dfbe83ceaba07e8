/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "image/oci-examine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image/oci-fetch.h"
#include "image/oci-pin.h"
#include "image/pull-layer.h"
#include "oci/local.h"
#include "oci/resolve.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/strv.h"

/* Moves what was found to the result. `pin` is the digest that the image is known by. Returns 0, -EINVAL or -ENOMEM. */
static int take(struct mf_oci_image *image, const char *pin, struct mf_examined *ret)
{
        if (mf_image_id_of_digest(pin, ret->id) < 0)
                return -EINVAL;
        ret->config = mf_take(image->config.image);
        ret->manifest_size = image->config_text.size;
        ret->manifest = mf_take(image->config_text.data);
        ret->blob_size = mf_oci_manifest_size(&image->manifest);
        const char *fault = ret->config->health.fault;
        return fault ? mf_strv_add(&ret->warnings, strdup(fault)) : 0;
}

/* Examines the image of a reference with a pin. Returns 0 or negative errno. */
static int examine_pinned(struct mf_examined *ret, const struct mf_reference *reference,
                          const struct mayfly_image_options *options, struct mayfly_error *err)
{
        mf_cleanup(mf_oci_source_freep) struct mf_oci_source *source = NULL;
        mf_cleanup(mf_freep) char *name = NULL;
        struct mf_oci_image image = { 0 };
        char pin[MF_ID_LENGTH + 1];

        struct mf_oci_patience patience = { .options = options };
        int r = mf_oci_name(reference, &name, err);
        patience.text = name;
        if (r == 0)
                r = mf_oci_source_open(&source, reference, &patience, err);
        mf_digest_of_image_id(reference->id, pin);
        const struct mf_oci_request request = {
                .source = source, .pin = pin, .name = name, .cancelled = mf_oci_is_cancelled, .userdata = &patience
        };
        if (r == 0)
                r = mf_oci_resolve(&image, &request, err);
        if (r < 0)
                return r;
        r = take(&image, pin, ret);
        mf_oci_image_clear(&image);
        return r;
}

int mf_oci_examine(struct mf_examined *ret, const struct mf_reference *reference, const char *bare,
                   const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct mf_oci_pin *pin = NULL;
        char digest[MF_ID_LENGTH + 1];

        if (reference->id[0])
                return examine_pinned(ret, reference, options, err);
        int r = mf_oci_pin_make(&pin, reference, bare, options, err);
        if (r < 0)
                return r;
        mf_digest_of_image_id(pin->id, digest);
        r = take(&pin->image, digest, ret);
        mf_oci_pin_free(pin);
        return r;
}

/* --- all of a layout or archive ----------------------------------------------------------------------------------- */

/* Reads all layers of an image, and notes their sizes. Returns 0 or negative errno. */
static int check_layers(struct mf_oci_source *source, const struct mf_oci_image *image,
                        const struct mayfly_image_options *options, struct mf_examined *ret, struct mayfly_error *err)
{
        struct mf_layer_totals totals = { 0 };
        int r = 0;

        for (size_t i = 0; i < image->manifest.n && r == 0; i++) {
                char shown[100];
                snprintf(shown, sizeof(shown), "layer %zu of %zu", i + 1, image->manifest.n);
                const struct mf_layer_pull pull = { .source = source,
                                                    .blob = &image->manifest.list[i],
                                                    .id = image->config.image->dependencies[i].id,
                                                    .shown = shown,
                                                    .text = shown,
                                                    .totals = &totals };
                r = mf_check_layer(&pull, options, err);
        }
        ret->archive_size = atomic_load(&totals.bytes_unpacked);
        ret->entries = atomic_load(&totals.entries);
        return r;
}

/* Checks one image. The first is kept. Returns 0 or negative errno. */
static int check_image(struct mf_oci_source *source, const char *pin, const char *name,
                       const struct mayfly_image_options *options, struct mf_examined *ret, struct mayfly_error *err)
{
        struct mf_oci_patience patience = { .options = options, .text = name };
        const struct mf_oci_request request = {
                .source = source, .pin = pin, .name = name, .cancelled = mf_oci_is_cancelled, .userdata = &patience
        };
        struct mf_examined examined = { 0 };
        struct mf_oci_image image = { 0 };

        int r = mf_oci_resolve(&image, &request, err);
        if (r < 0)
                return r;
        r = check_layers(source, &image, options, &examined, err);
        if (r == 0)
                r = take(&image, pin, &examined);
        mf_oci_image_clear(&image);
        if (r == 0 && !ret->config)
                *ret = examined;
        else
                mf_examined_clear(&examined);
        return r;
}

int mf_oci_validate(struct mf_examined *ret, const char *path, const struct mayfly_image_options *options,
                    struct mayfly_error *err)
{
        mf_cleanup(mf_oci_source_freep) struct mf_oci_source *source = NULL;
        struct mf_examined examined = { 0 };
        struct mf_oci_patience patience = { .options = options, .text = path };
        const struct mf_spool_limits limits = { options->max_unpacked, mf_oci_is_cancelled, &patience };
        char **pins = NULL;

        int r = mf_oci_local_open(&source, path, &limits, err);
        if (r == 0)
                r = mf_oci_local_list(source, &pins, mf_oci_is_cancelled, &patience, err);
        for (char **pin = pins; pin && *pin && r == 0; pin++)
                r = check_image(source, *pin, path, options, &examined, err);
        mf_strv_free(pins);
        if (r < 0)
                mf_examined_clear(&examined);
        else
                *ret = examined;
        return r;
}
