/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_SNAPSHOT_H
#define MAYFLY_SNAPSHOT_H

#include <mayfly/error.h>

/**
 * @file
 * Snapshots: what a container wrote, as a layer for others to begin from. See mayfly_container_snapshot(3).
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;

/** What a container wrote, in memory. Opaque; release with mayfly_snapshot_free(). */
struct mayfly_snapshot;

/**
 * Copies what a container wrote, in its root and in volumes of its own. The container is halted or paused: files that change
 * meanwhile would not fit together. A spec's `.snapshot` starts containers of the same image from it, on any number of threads.
 * @param ret  set on success; the caller owns it
 * @return 0 or negative errno: -EBUSY (the container runs), -ESRCH (it was stopped), -ENOSPC (there is not memory enough)
 */
int mayfly_container_snapshot(struct mayfly_container *container, struct mayfly_snapshot **ret,
                              struct mayfly_error *err);

/**
 * Kills the container and starts it from its snapshot: the last one that was taken of it, or that of its spec. What it wrote since
 * is gone, without a stop signal to the app. Its name, its log and the numbers of its ports stay.
 * @return 0 or negative errno: -EINVAL when it has no snapshot
 */
int mayfly_container_reset(struct mayfly_container *container, struct mayfly_error *err);

/** Releases the handle (NULL is fine); containers that began from it keep what they need. Always returns NULL. */
struct mayfly_snapshot *mayfly_snapshot_free(struct mayfly_snapshot *snapshot);

#ifdef __cplusplus
}
#endif

#endif
