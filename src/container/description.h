/* SPDX-License-Identifier: MIT */
#ifndef MF_DESCRIPTION_H
#define MF_DESCRIPTION_H

/* What a process has to know of a container that it attaches to: a block of bytes in a memfd that mayfly-launch hands out. Both sides
 * are of one build, as the version in each message says. */

struct mayfly_container;

/* Writes it. *ret is a memfd, the caller's. Returns 0 or negative errno. */
int mf_description_write(const struct mayfly_container *container, int *ret);

/* Reads it into a handle of mf_container_alloc(), and takes the descriptor of the log, unless it fails before. Returns 0 or negative
 * errno. */
int mf_description_read(struct mayfly_container *container, int memfd, int *log);

#endif
