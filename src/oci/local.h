/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_LOCAL_H
#define MF_OCI_LOCAL_H

/* Sources of blobs on this machine: a layout directory, an OCI archive, a docker archive (`docker save`). */

#include "oci/source.h"

/* Opens the layout or archive `path`. The source finds manifests also by the digest of their config. Returns 0 or negative errno. */
int mf_oci_local_open(struct mf_oci_source **ret, const char *path, struct mayfly_error *err);

#endif
