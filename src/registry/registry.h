/* SPDX-License-Identifier: MIT */
#ifndef MF_REGISTRY_H
#define MF_REGISTRY_H

/* A repository of a registry as a source of blobs (distribution specification): first its mirrors, then the registry. Documents are
 * asked for by GET alone, each once. */

#include <mayfly/image.h>

#include "model/oci-name.h"
#include "oci/source.h"

/* Makes the source of a repository; nothing is asked yet. *ret is for mf_oci_source_free(), and set on success only. `options` has
 * final values, and must outlive the source. Returns 0 or negative errno. */
int mf_registry_open(struct mf_oci_source **ret, const struct mf_oci_name *name,
                     const struct mayfly_image_options *options, struct mayfly_error *err);

#endif
