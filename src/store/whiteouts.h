/* SPDX-License-Identifier: MIT */
#ifndef MF_WHITEOUTS_H
#define MF_WHITEOUTS_H

/* What a layer of an image hides of the layers below it. overlayfs wants a character device 0:0 for a name that is gone, and an extended
 * attribute at a directory that hides all below. They are made when the whole layer was unpacked: an entry for a name says nothing
 * about an entry for the same name before or after it in the archive. */

#include "store/open-dirs.h"
#include "store/record.h"
#include "util/pathlist.h"

#define MF_OPAQUE_DIRS "opaque" /* the file that lists opaque directories */

/* Start from zeros. */
struct mf_whiteouts {
        struct mf_paths hidden; /* "rootfs/...": nothing of lower layers is to be seen there */
        struct mf_paths opaque; /* directories: nothing in them of lower layers is to be seen */
};

void mf_whiteouts_clear(struct mf_whiteouts *whiteouts);

/* Makes them all in the layer, which `dirs` opens the directories of, and the file "opaque" in `dirfd`, a list of directories as in
 * "implicit" (implied-dirs.h). Records them. Returns 0, or negative errno with the path in *ret_path, borrowed. */
int mf_whiteouts_apply(struct mf_whiteouts *whiteouts, struct mf_open_dirs *dirs, int dirfd, struct mf_record *record,
                       const char **ret_path);

/* Whether the open file is a whiteout for overlayfs: on a file system that cannot have the device. */
int mf_is_whiteout(int fd);

/* Whether the open directory hides what is in lower layers. Returns 1, 0, or negative errno. */
int mf_is_opaque(int fd);

#endif
