/* SPDX-License-Identifier: MIT */
#ifndef MF_NETWORK_H
#define MF_NETWORK_H

/* The inside of mayfly-network: one process does one operation on a hub and ends. A hub is a network namespace with a
 * bridge, which only descriptors keep. Each member has a number in it: its port of the bridge is named after the number, and its
 * addresses end with it. See protocol/network.h. */

#include <netlink/netlink.h>

#include <mayfly/error.h>

#include "privilege/serve.h"

#define MF_BRIDGE "hub"
#define MF_PORT_NAME_SIZE 16

/* The operations. */
int mf_network_create(struct mf_serve_call *call, struct mayfly_error *err);
int mf_network_attach(struct mf_serve_call *call, struct mayfly_error *err);
int mf_network_cut(struct mf_serve_call *call, struct mayfly_error *err);

/* netlink.c */

/* Enters the network namespace of `fd`, which is a descriptor of it or a pidfd of a process in it. Returns 0 or negative errno. */
int mf_netlink_enter(int fd, const char *whose, struct mayfly_error *err);
/* Opens a socket of rtnetlink in the present network namespace, where it stays. Returns NULL on failure. */
struct nl_sock *mf_netlink_open(struct mayfly_error *err);
void mf_netlink_closep(struct nl_sock **socket);
/* Sends the message, frees it, and waits for the answer. Returns 0, or a negative error of libnl. */
int mf_netlink_send(struct nl_sock *socket, struct nl_msg *message);
/* Turns an error of libnl into a negative errno. */
int mf_netlink_errno(int error);
/* Sets the error for one of libnl. `what` is what failed, and may go on after a semicolon with what helps. */
int mf_netlink_error(struct mayfly_error *err, int error, const char *what);

/* Writes the name of a member's port. */
void mf_port_name(unsigned member, char ret[MF_PORT_NAME_SIZE]);

#endif
