/* SPDX-License-Identifier: MIT */
#ifndef MF_ACTIVATION_H
#define MF_ACTIVATION_H

/* Socket activation: what the app finds open when it starts (sd_listen_fds(3)). */

#include <stddef.h>

#include "protocol/message.h"

struct mayfly_container;
struct mayfly_error;
struct mf_exec_block;

/* Published sockets that go to mayfly-init with the START message; they are the links' own. */
struct mf_activation {
        int fds[MF_ACTIVATED_MAX];
        size_t n;
};

/* Says which sockets the app gets: those of the image's socket-activated ports, which mayfly-init opens or, where the spec publishes the
 * port with `activate`, finds in the message, then the spec's others. Returns 0 or negative errno. */
int mf_activation_add(const struct mayfly_container *container, struct mf_exec_block *block, struct mf_activation *ret,
                      struct mayfly_error *err);

/* The app's $NOTIFY_SOCKET, over what spec and image say of it. The name is the container's own, because with the host's network
 * others have such sockets, too. */
void mf_notify_add(const struct mayfly_container *container, struct mf_exec_block *block);

#endif
