/* SPDX-License-Identifier: MIT */
#ifndef MF_ID_RANGE_H
#define MF_ID_RANGE_H

/* Ranges of user and group IDs of the host that stand for those of a container's user namespace. */

#include <stddef.h>
#include <stdint.h>

/* How many IDs a container has by default, 0 to 65,535 inside, and what every other number is a multiple of. */
#define MF_ID_RANGE_SIZE UINT32_C(65536)

/* The most that one can have: larger ranges are aligned to their size, rounded up to a power of two, and this is the
 * largest that fits between the limits below. */
#define MF_ID_RANGE_SIZE_MAX UINT32_C(536870912)

/* Where ranges may begin: systemd's range for containers (systemd's UIDS-GIDS.md). */
#define MF_ID_RANGE_FIRST UINT32_C(524288)
#define MF_ID_RANGE_LAST UINT32_C(1879048191)

/* The files that say whose other IDs are, and the directory with systemd-nspawn's lock files. NULL for /etc/passwd,
 * /etc/group, /etc/subuid, /etc/subgid, and /run/systemd/nspawn-uid. */
struct mf_id_files {
        const char *passwd, *group, *subuid, *subgid, *nspawn;
};

/* A range that nobody else has. */
struct mf_id_range {
        uint32_t base, size;
        int lock; /* keeps the range while any process has this descriptor */
};

/* Takes a free range of `size` IDs, a multiple of MF_ID_RANGE_SIZE: one in which nobody has a user, a group or subordinate IDs, and that neither another container of
 * mayfly nor systemd-nspawn uses. Returns 0, -EAGAIN when no range was found, or another negative errno. */
int mf_id_range_take(struct mf_id_range *ret, uint32_t size, const struct mf_id_files *files);

#endif
