/* SPDX-License-Identifier: MIT */
#ifndef MF_MANIFEST_WRITE_H
#define MF_MANIFEST_WRITE_H

/* Writes the image manifest for mayfly_image_build(). */

#include <mayfly/build.h>

/* Sets *ret to an image manifest in JSON, allocated, from the name, the labels and the app of the options. The caller checks
 * it with mf_manifest_parse(). Returns 0, or -EINVAL when a label or variable is not of the form NAME=VALUE or not UTF-8. */
int mf_manifest_write(const struct mayfly_build_options *options, char **ret, struct mayfly_error *err);

#endif
