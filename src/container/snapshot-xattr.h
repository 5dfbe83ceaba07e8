/* SPDX-License-Identifier: MIT */
#ifndef MF_SNAPSHOT_XATTR_H
#define MF_SNAPSHOT_XATTR_H

/* Attributes of files in a snapshot: IDs in them become those of the container. */

#include <stdint.h>

struct mf_shift {
        uint32_t ids, n_ids; /* the container's, on the host; ids 0: they are the host's */
};

/* What an ID of the host is in the container. What nobody inside can have, as mount points that were made from outside, is root's. */
uint32_t mf_shift_id(const struct mf_shift *shift, uint32_t id);

/* Copies the attributes of an entry that mean something in a layer. Returns 0 or negative errno: -ENOTSUP for a file whose content is in
 * a lower layer only. */
int mf_snapshot_copy_xattrs(const struct mf_shift *shift, int from, int to, const char *name);

#endif
