/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_WRITE_H
#define MF_MANIFEST_WRITE_H

/* Writes the image manifest for mayfly_image_build(), and of the configuration of another format for mayfly_image_convert(). */

#include <mayfly/build.h>

#include "model/image-config.h"

/* Sets *ret to an image manifest in JSON, allocated, from the name, the labels and the app of the options. The caller checks
 * it with mf_manifest_parse(). Returns 0, or -EINVAL when a label or variable is not of the form NAME=VALUE or not UTF-8. */
int mf_manifest_write(const struct mayfly_build_options *options, char **ret, struct mayfly_error *err);

/* What a manifest has that a configuration has not. */
struct mf_manifest_extra {
        const char *name;    /* an AC Identifier */
        const char *version; /* a label; NULL: none */
        const char *created; /* an annotation; NULL: none */
};

/* Does the same for a configuration. Mount points and ports get names that appc allows, and labels whose names it does not allow are left
 * out. *ret_left_out is set to the first of these, or NULL. */
int mf_manifest_write_config(const struct mf_image_config *config, const struct mf_manifest_extra *extra, char **ret,
                             const char **ret_left_out, struct mayfly_error *err);

#endif
