/* SPDX-License-Identifier: MIT */
#ifndef MF_LISTENERS_H
#define MF_LISTENERS_H

/* What listens in a container. */

#include <mayfly/container.h>
#include <stddef.h>

#include "util/sock-diag.h"

/* Opens a netlink socket in the container's network, for questions about a protocol: IPPROTO_TCP, IPPROTO_UDP, or 0 for Unix
 * sockets. Returns it, or negative errno: -ESRCH when the container has died. */
int mf_open_diag(struct mayfly_container *container, int protocol, struct mayfly_error *err);
/* Sets the error of a question to the kernel that failed with r. Returns negative errno. */
int mf_diag_failed(const struct mayfly_container *container, int r, struct mayfly_error *err);
/* Writes what listens (or, of UDP, is bound) instead of what was looked for: "; 127.0.0.1:6380 does", or nothing. */
void mf_describe_listeners(int netlink, int protocol, char *ret, size_t size);

#endif
