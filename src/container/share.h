/* SPDX-License-Identifier: MIT */
#ifndef MF_SHARE_H
#define MF_SHARE_H

/* The use of a container by processes that do not own it. */

#include <mayfly/error.h>

struct mayfly_container;

/* What a start gives away: mayfly-launch's end of the share socket, and the ends of the link between mayfly-launch and mayfly-init. */
struct mf_share_ends {
        int launch, link_launch, link_init;
};

#define MF_SHARE_ENDS_NONE ((struct mf_share_ends){ -1, -1, -1 })

/* Makes them, and the share socket of the container. Returns 0 or negative errno. */
int mf_share_open(struct mayfly_container *container, struct mf_share_ends *ret);
void mf_share_ends_clear(struct mf_share_ends *ends);

#endif
