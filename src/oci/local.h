/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_LOCAL_H
#define MF_OCI_LOCAL_H

/* Sources of blobs on this machine: a layout directory, an OCI archive, a docker archive (`docker save`). */

#include "archive/spool.h"
#include "oci/source.h"

/* Opens the layout or archive `path`. The source finds manifests also by the digest of their config. `limits` are for an archive that is
 * compressed as a whole. Returns 0 or negative errno. */
int mf_oci_local_open(struct mf_oci_source **ret, const char *path, const struct mf_spool_limits *limits,
                      struct mayfly_error *err);

/* Lists the digests of all manifests of a layout, also those of other platforms, or of the configs of a docker archive. Checks the documents on
 * the way. Returns 0 or negative errno. *ret is NULL-terminated, for mf_strv_free(), and set on success only. */
int mf_oci_local_list(struct mf_oci_source *source, char ***ret, int (*cancelled)(void *userdata), void *userdata,
                      struct mayfly_error *err);

/* Whether the directory or file looks like a layout or an archive of images: it has an index.json or a manifest.json, or, when it is
 * compressed as a whole, its first file is called as one of theirs. Returns 1, 0, or -ENOMEM. */
int mf_oci_is_local(const char *path);

#endif
