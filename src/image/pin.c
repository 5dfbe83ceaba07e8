/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mayfly/image.h>

#include "aci/manifest.h"
#include "fetch/locate.h"
#include "image/oci-fetch.h"
#include "image/oci-pin.h"
#include "image/pin.h"
#include "image/pull.h"
#include "model/image-options.h"
#include "model/reference.h"
#include "trust/verify-signature.h"
#include "util/error.h"
#include "util/macro.h"

/* A struct mayfly_pin, and the memory that it points to. */
struct pin {
        struct mayfly_pin public;
        struct mf_examined image;
        struct mf_signature_note note;
        char *reference, *url;
        struct mf_oci_pin *oci; /* of an OCI image, which then has all but the public struct */
};

struct job {
        struct pin *pin;
        const struct mf_reference *reference;
        const char *text;
        const struct mayfly_image_options *options;
};

/* Examines the image at `url`, and keeps the URL. Returns 0 or negative errno. */
static int look(void *userdata, const char *url, const char *signature, struct mayfly_error *err)
{
        const struct job *job = userdata;
        struct pin *pin = job->pin;
        const struct mf_source source = { .url = url,
                                          .text = job->text,
                                          .signature =
                                                  job->options->signatures == MAYFLY_SIGNATURES_OFF ? NULL : signature,
                                          .note = &pin->note };

        int r = mf_examine(&pin->image, &source, job->options, err);
        if (r == 0 && job->reference->name)
                r = mf_image_name_match(job->reference->name, pin->image.config, err);
        if (r == 0 && !(pin->url = strdup(url)))
                r = mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        if (r < 0)
                mf_examined_clear(&pin->image);
        return r;
}

/* Returns the label "NAME=value" of the image, or NULL. */
static const char *find_label(const struct mf_image_config *config, const char *name)
{
        size_t length = strlen(name);

        for (char **l = config->labels; *l; l++)
                if (strncmp(*l, name, length) == 0 && (*l)[length] == '=')
                        return *l;
        return NULL;
}

/* Whether the reference has the label. */
static int was_asked(const struct mf_image_name *name, const char *label)
{
        for (size_t i = 0; i < name->n_asked; i++)
                if (strcmp(name->labels[i].name, label) == 0)
                        return 1;
        return 0;
}

/* Makes the pinned reference. It gets the os and arch of the image, since the defaults of another host may differ. Returns 0 or
 * -ENOMEM. */
static int write_reference(struct pin *pin, const struct mf_image_name *name, const char *bare)
{
        static const char *const platform[] = { "os", "arch" };
        mf_cleanup(mf_freep) char *text = strdup(bare);

        for (size_t i = 0; i < MF_ELEMENTSOF(platform) && name && text; i++) {
                const char *has = find_label(pin->image.config, platform[i]);
                if (!has || was_asked(name, platform[i]))
                        continue;
                char *longer;
                if (asprintf(&longer, "%s,%s", text, has) < 0)
                        return -ENOMEM;
                free(text);
                text = longer;
        }
        if (!text || asprintf(&pin->reference, "%s@%s", text, pin->image.id) < 0) {
                pin->reference = NULL;
                return -ENOMEM;
        }
        return 0;
}

/* Fills in the public struct, and returns it. */
static struct mayfly_pin *publish(struct pin *pin)
{
        const struct mf_signature *sig = &pin->note.signature;

        pin->public = (struct mayfly_pin){
                .size = sizeof(pin->public),
                .reference = pin->reference,
                .id = pin->image.id,
                .url = pin->url,
                .name = pin->image.config->name,
                .labels = (const char *const *) pin->image.config->labels,
                .blob_size = pin->image.blob_size,
                .archive_size = pin->image.archive_size,
                .signature = pin->note.state,
                .fingerprint = sig->key[0] ? sig->key : NULL,
                .user_id = sig->user_id[0] ? sig->user_id : NULL,
        };
        return &pin->public;
}

/* Does the same for an OCI image. */
static struct mayfly_pin *publish_oci(struct pin *pin)
{
        const struct mf_oci_pin *oci = pin->oci;

        pin->public = (struct mayfly_pin){
                .size = sizeof(pin->public),
                .reference = oci->reference,
                .id = oci->id,
                .url = oci->url,
                .name = oci->image.config.image->name,
                .labels = (const char *const *) oci->image.config.image->labels,
                .blob_size = oci->size,
                .digest_of = oci->kind,
                .platforms = (const char *const *) oci->platforms,
                .created = oci->image.config.created,
        };
        return &pin->public;
}

/* Finds the image of a reference, whatever its format. Returns 0 or negative errno. */
static int find(struct pin *pin, const struct mf_reference *reference, const char *bare,
                const struct mayfly_image_options *options, struct mayfly_error *err)
{
        struct job job = { pin, reference, bare, options };

        if (reference->format == MF_FORMAT_OCI) {
                int r = mf_oci_check_signatures(bare, options, err);
                return r < 0 ? r : mf_oci_pin_make(&pin->oci, reference, bare, options, err);
        }
        int r = mf_locate(reference, bare, options, look, &job, err);
        if (r == 0 && write_reference(pin, reference->name, bare) < 0)
                r = mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        return r;
}

MF_EXPORT int mayfly_image_pin(struct mayfly_pin **ret, const char *reference_text,
                               const struct mayfly_image_options *given, struct mayfly_error *err)
{
        struct mayfly_image_options options;
        struct mf_reference reference = { 0 };
        mf_cleanup(mf_freep) char *bare = NULL;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_image_pin() needs a pointer for its result, but it is NULL");
        int r = mf_image_options_take(given, &options, err);
        if (r == 0)
                r = mf_reference_parse_unpinned(&reference, &bare, reference_text, options.allow_http, err);
        if (r != 0)
                return r;
        struct pin *pin = calloc(1, sizeof(*pin));
        r = pin ? find(pin, &reference, bare, &options, err) : mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        mf_reference_clear(&reference);
        if (r < 0) {
                mayfly_pin_free(pin ? &pin->public : NULL);
                return r;
        }
        *ret = pin->oci ? publish_oci(pin) : publish(pin);
        return 0;
}

int mf_pin_make(struct mayfly_pin **ret, struct mf_examined *image, const char *url, struct mayfly_error *err)
{
        struct pin *pin = calloc(1, sizeof(*pin));

        if (pin)
                pin->url = strdup(url);
        if (!pin || !pin->url || asprintf(&pin->reference, "aci:%s@%s", url, image->id) < 0) {
                if (pin)
                        free(pin->url);
                free(pin);
                return mf_error_oom(err, MAYFLY_STAGE_REFERENCE);
        }
        pin->image = *image;
        *image = (struct mf_examined){ 0 };
        *ret = publish(pin);
        return 0;
}

MF_EXPORT struct mayfly_pin *mayfly_pin_free(struct mayfly_pin *public)
{
        struct pin *pin = (struct pin *) public; /* its first member */

        if (pin) {
                mf_examined_clear(&pin->image);
                mf_oci_pin_free(pin->oci);
                free(pin->reference);
                free(pin->url);
                free(pin);
        }
        return NULL;
}
