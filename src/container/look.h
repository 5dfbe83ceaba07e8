/* SPDX-License-Identifier: MIT */
#ifndef MF_LOOK_H
#define MF_LOOK_H

#include <mayfly/container.h>
#include <stdint.h>
#include <sys/stat.h>

#include "protocol/message.h"

/* Returns -EINVAL unless mf_container_look() can look at the path. */
int mf_look_check(const char *path, struct mayfly_error *err);

/* Waits until there is something to read from `reply`, or the process of the pidfd, such as the container's PID 1, has ended. Returns 0 or
 * negative errno. */
int mf_await_answer(int reply, int process, uint64_t deadline_us);

/* Sends mayfly-init a request with a reply socket. *ret is this end of that socket. Returns 0 or negative errno. */
int mf_container_ask(struct mayfly_container *container, const struct mf_message *request, uint64_t deadline_us,
                     int *ret);

/* Asks mayfly-init for the mode of a file of the container; symbolic links are followed. Returns 0, -ENOENT (without an error) when
 * it does not exist, or another negative errno with one. */
int mf_container_look(struct mayfly_container *container, const char *path, mode_t *ret_mode, struct mayfly_error *err);

#endif
