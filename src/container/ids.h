/* SPDX-License-Identifier: MIT */
#ifndef MF_IDS_H
#define MF_IDS_H

/* The IDs of user namespaces: a range for each container, or one that containers share. */

#include <mayfly/error.h>

#include "util/id-range.h"

/* Takes a range of `size` IDs that nobody else has. *ret is to be released with mf_ids_clear(). */
int mf_ids_take(struct mf_id_range *ret, uint32_t size, struct mayfly_error *err);

/* Copies a range, which both then hold. */
int mf_ids_copy(struct mf_id_range *ret, const struct mf_id_range *ids, struct mayfly_error *err);

/* Whether the kernel can show a tmpfs with other IDs (Linux 6.3). */
int mf_ids_can_map_tmpfs(void);

/* Takes the range that the program's containers share when their tmpfs cannot be shown to each with its own IDs. All such
 * tmpfs have it, because one container may use several of them. Released with mf_ids_unshare(). */
int mf_ids_share(struct mf_id_range *ret, struct mayfly_error *err);
void mf_ids_unshare(struct mf_id_range *ids);

/* Lets go of a range; one that is all zero or was cleared is fine. */
void mf_ids_clear(struct mf_id_range *ids);

#endif
