/* SPDX-License-Identifier: MIT */
#ifndef MF_KEEP_ID_H
#define MF_KEEP_ID_H

/* IDs of a container whose user "keeps the ID" (podman calls it keep-id): the caller, who is ID 0 outside, is ID `kept` inside. The IDs
 * below `kept` are one higher outside, and all others are the same. With 0 nothing changes. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The IDs inside that are the caller's. */
struct mf_keep_ids {
        uint32_t uid, gid;
};

/* What the container's ID is outside, and the other way round. */
uint32_t mf_keep_id_outside(uint32_t inside, uint32_t kept);
uint32_t mf_keep_id_inside(uint32_t outside, uint32_t kept);

/* IDs that follow each other on both sides. */
struct mf_keep_id_line {
        uint32_t outside, inside, count;
};

#define MF_KEEP_ID_LINES 3U

/* Cuts the IDs outside from `first` on, `count` of them, into such lines. Returns how many lines there are. */
size_t mf_keep_id_lines(struct mf_keep_id_line ret[MF_KEEP_ID_LINES], uint32_t first, uint32_t count, uint32_t kept);

#endif
