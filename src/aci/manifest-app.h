/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_APP_H
#define MF_MANIFEST_APP_H

/* The `app` of an image manifest (appc specification, "Image Manifest Schema"). */

#include <jansson.h>

#include "aci/manifest.h"

/* Checks all of it, and fills in the part of the run configuration that is about it. */
int mf_manifest_app(json_t *app, struct mf_image_config *config, struct mayfly_error *err);

/* manifest-isolators.c: one that has a name and a value (specification, "Isolators"). */
int mf_manifest_isolator(json_t *value, const char *at, const char *name, struct mf_isolation *isolation,
                         struct mayfly_error *err);
/* Whether the specification has it. */
int mf_is_isolator(const char *name);

#endif
