/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_APP_H
#define MF_MANIFEST_APP_H

/* The `app` of an image manifest (appc specification, "Image Manifest Schema"). */

#include <jansson.h>

#include "aci/manifest.h"

/* Checks the whole `app`, and fills in its part of the image configuration. Returns 0 or negative errno. */
int mf_manifest_app(json_t *app, struct mf_image_config *config, struct mayfly_error *err);

/* manifest-isolators.c: checks one isolator (specification, "Isolators"), and adds what it asks for to *isolation. `at` is
 * the JSON path of the value. Returns 0 or negative errno. */
int mf_manifest_isolator(json_t *value, const char *at, const char *name, struct mf_isolation *isolation,
                         struct mayfly_error *err);
/* Whether the specification has an isolator of that name. */
int mf_is_isolator(const char *name);

#endif
