/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_PENDING_H
#define MAYFLY_PENDING_H

#include <mayfly/error.h>

/**
 * @file
 * Starts that go on while the program does something else. See mayfly_container_begin(3).
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;
struct mayfly_spec;

/** A start that is under way. Opaque; released by mayfly_container_finish() or mayfly_container_cancel(). */
struct mayfly_pending;

/**
 * Begins what mayfly_container_start() does, in a thread of the library's, and returns. The spec is copied, with all that it points to;
 * handles in it may be freed, too. Callbacks of the spec are called in that thread.
 * @param ret  set on success; the caller owns it
 * @return 0, or negative errno when the spec is wrong or this host cannot run containers
 */
int mayfly_container_begin(struct mayfly_pending **ret, const struct mayfly_spec *spec, struct mayfly_error *err);

/** A descriptor for poll(2), with POLLIN once the start is over; not to be read or closed. -1 for NULL. */
int mayfly_pending_fd(const struct mayfly_pending *pending);

/**
 * Waits until the start is over, and gives its result. `pending` is released, whatever the result, but not with -EINVAL (an
 * argument is NULL) and -ECHILD (in a forked child).
 * @param ret  set on success; the caller owns it
 * @return as mayfly_container_start()
 */
int mayfly_container_finish(struct mayfly_pending *pending, struct mayfly_container **ret, struct mayfly_error *err);

/** Gives the start up, waits until nothing is left of it, and releases it (NULL is fine). A container that was ready ends. Always
 * returns NULL. In a forked child it only frees memory. */
struct mayfly_pending *mayfly_container_cancel(struct mayfly_pending *pending);

/**
 * Ends all spares of this process, which its end does, too. A spare is a container that mayfly_container_start() has started, one
 * after the other, for a spec with `spare` set, and that nobody has asked for yet.
 */
void mayfly_spares_stop(void);

#ifdef __cplusplus
}
#endif

#endif
