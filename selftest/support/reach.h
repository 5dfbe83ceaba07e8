/* SPDX-License-Identifier: MIT */
#ifndef REACH_H
#define REACH_H

/* The ports of containers, as a client on the host reaches them. Whatever fails here fails the running test. */

#include <sys/socket.h>

#include <mayfly/container.h>

/* Makes an image whose app is /bin/serve. */
const char *serving_image(const char *name);

/* Where a published port can be reached. */
void address_of(struct mayfly_container *c, const char *port, struct mayfly_address *ret);

/* Connects to an address of the host. A read that waits for 20 seconds fails. Returns the descriptor or negative errno. */
int reach_address(const struct sockaddr *address, socklen_t size, int type);
int reach_port(struct mayfly_container *c, const char *port, int type);

/* Whether what is sent comes back: for forked children, which must not fail the running test. */
int is_echoed(int fd);
/* What is sent must come back. `fd` may be what reach_port() returned. */
void echoes(int fd, const char *text);

/* The connection must have been reset. Closes it. */
void is_reset(int fd);

/* A listening socket on the host's 127.0.0.1, with a port that the kernel chooses. */
int listen_on_host(unsigned *ret_port);

#endif
