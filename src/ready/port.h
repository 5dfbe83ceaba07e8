/* SPDX-License-Identifier: MIT */
#ifndef MF_READY_PORT_H
#define MF_READY_PORT_H

#include <stddef.h>
#include <stdint.h>

/* Whether a port listens (or, of UDP, is bound), whatever the address. An address that loopback does not reach is found at some
 * looks only, the number of which is `look`. Returns 1, 0 or -errno. */
int mf_port_listens(int netlink, int protocol, uint16_t port, unsigned look);
/* Writes that the port does not listen, and what does. */
void mf_port_describe(int netlink, int protocol, char *seen, size_t size);

#endif
