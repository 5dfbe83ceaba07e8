/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_PORT_H
#define MF_READY_PORT_H

#include <mayfly/container.h>
#include <stddef.h>
#include <stdint.h>

/* Opens a netlink socket in the container's network, for questions about a protocol: IPPROTO_TCP, IPPROTO_UDP, or 0 for Unix
 * sockets. Returns it, or negative errno: -ESRCH when the container has died. */
int mf_open_diag(struct mayfly_container *container, int protocol, struct mayfly_error *err);
/* Sets the error of a question to the kernel that failed with r. Returns negative errno. */
int mf_diag_failed(const struct mayfly_container *container, int r, struct mayfly_error *err);
/* Whether a port listens (or, of UDP, is bound), whatever the address. An address that loopback does not reach is found at some
 * looks only, the number of which is `look`. Returns 1, 0 or -errno. */
int mf_port_listens(int netlink, int protocol, uint16_t port, unsigned look);
/* Writes what listens instead of it. */
void mf_port_describe(int netlink, int protocol, char *seen, size_t size);

#endif
