/* SPDX-License-Identifier: MIT */
#ifndef MF_SHARE_H
#define MF_SHARE_H

/* The use of a container by processes that do not own it. */

#include <mayfly/error.h>
#include <stdint.h>

struct mayfly_container;

/* What a start gives away: mayfly-launch's end of the share socket, and the ends of the link between mayfly-launch and mayfly-init. */
struct mf_share_ends {
        int launch, link_launch, link_init;
};

#define MF_SHARE_ENDS_NONE ((struct mf_share_ends){ -1, -1, -1 })

/* Makes them, and the share socket of the container. Returns 0 or negative errno. */
int mf_share_open(struct mayfly_container *container, struct mf_share_ends *ret);
void mf_share_ends_clear(struct mf_share_ends *ends);

/* What mayfly-launch sends to a process that attaches: -1 where there is nothing. */
struct mf_share_gift {
        int description, log, leader, userns;
};

#define MF_SHARE_GIFT_NONE ((struct mf_share_gift){ -1, -1, -1, -1 })

void mf_share_gift_clear(struct mf_share_gift *gift);

#define MF_SHARE_ANSWER_MS 10000 /* mayfly-launch and mayfly-init answer at once, when they get a processor */

/* Gets a channel over the share socket. `gift` may be NULL. Returns 1, 0 when there is none to be had, or negative errno. */
int mf_share_connect(struct mayfly_container *container, uint64_t deadline_us, struct mf_share_gift *gift);
/* Waits for the reports so far. Returns 1, 0 when the channel was closed, or negative errno: -EBUSY when the container is paused. */
int mf_share_await_reports(struct mayfly_container *container, uint64_t deadline_us);
/* Sets the error of one that failed. Returns its code. */
int mf_share_explain(const struct mayfly_container *container, int r, struct mayfly_error *err);

#endif
