/* SPDX-License-Identifier: MIT */
#ifndef MF_OCI_LAYER_RULES_H
#define MF_OCI_LAYER_RULES_H

/* Which entries a layer may have, and what they mean: a file, or that something of the layers below is gone. */

#include "archive/entry.h"

enum mf_oci_role {
        MF_OCI_ENTRY,    /* what it is */
        MF_OCI_WHITEOUT, /* nothing of the layers below is to be seen at the path */
        MF_OCI_OPAQUE,   /* nothing of the layers below is to be seen in the directory at the path */
        MF_OCI_IGNORED   /* a note of AUFS for itself */
};

struct mf_oci_place {
        enum mf_oci_role role;
        char path[PATH_MAX];   /* "rootfs", or below it */
        char target[PATH_MAX]; /* of a hard link; else empty */
};

/* Finds the place of an entry. The name may begin with "/" or "./". Returns 0, or -EBADMSG for a name that no layer may have. */
int mf_oci_entry_place(const struct mf_entry *entry, struct mf_oci_place *ret, struct mayfly_error *err);

#endif
