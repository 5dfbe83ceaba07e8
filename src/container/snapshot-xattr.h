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

/* Whether overlayfs shows nothing of lower layers in the directory. */
int mf_snapshot_is_opaque(int directory, const char *name);
/* Whether overlayfs looks for its lower layers under another name. */
int mf_snapshot_is_redirected(int directory, const char *name);
/* Whether the file has the content of the layers below, and metadata of its own: overlayfs copies no more for a change of the owner. */
int mf_snapshot_has_metadata_alone(int directory, const char *name);
/* Removes the attributes of the entry that are not overlayfs's. Returns 0 or negative errno. */
int mf_snapshot_clear_xattrs(int directory, const char *name);

/* Copies the attributes of an entry that mean something in a layer; with `keeps_content` not those that say where its content is. Returns 0
 * or negative errno. */
int mf_snapshot_copy_xattrs(const struct mf_shift *shift, int from, int to, const char *name, int keeps_content);

#endif
