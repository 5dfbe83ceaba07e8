/* SPDX-License-Identifier: MIT */
#ifndef MF_COMMAND_H
#define MF_COMMAND_H

/* A command that runs while its caller does something else. */

#include <mayfly/container.h>
#include <poll.h>
#include <stddef.h>

struct mf_command;

/* Starts a command in the container. The caller's options must stay as they are until its end. */
int mf_command_begin(struct mayfly_container *container, const struct mayfly_command *given, struct mf_command **ret,
                     struct mayfly_error *err);
/* What to wait for before the next step. Returns how many descriptors. */
size_t mf_command_poll_fds(const struct mf_command *command, struct pollfd ret[3]);
/* Reads what it wrote. Returns 1 and sets *ret when it has ended, 0 while it runs, or negative errno. The time-out of its
 * options does not hold: see mf_command_kill(). */
int mf_command_step(struct mayfly_container *container, struct mf_command *command, struct mayfly_result **ret,
                    struct mayfly_error *err);
/* Kills it with all its children, because its time is up. A later step gives its result. */
void mf_command_kill(struct mf_command *command);
/* Frees it, and kills it if it still runs. NULL is fine; returns NULL. */
struct mf_command *mf_command_end(struct mf_command *command);

#endif
