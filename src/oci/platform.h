/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_PLATFORM_H
#define MF_OCI_PLATFORM_H

/* Platforms, as OCI calls them: "linux/amd64", "linux/arm/v7". */

#include "oci/document.h"

/* Chooses the manifest of an index that fits this host best, or the only one when no platform is said. Returns its index, or -ENOENT
 * with a message that lists the platforms that there are. */
int mf_oci_platform_choose(const struct mf_oci_document *index, struct mayfly_error *err);

/* Returns the architecture as it is called in the label "arch" of images. `variant` may be NULL. */
const char *mf_oci_arch_label(const char *architecture, const char *variant);

/* Returns the architecture for the label "arch" of an image, and sets *ret_variant, NULL for none. */
const char *mf_oci_arch_of_label(const char *label, const char **ret_variant);

/* Returns the architecture and, unless it is NULL, the variant of this host. */
const char *mf_oci_host_arch(const char **ret_variant);

#endif
