/* SPDX-License-Identifier: MIT */
#ifndef PROXY_H
#define PROXY_H

/* A small real HTTP proxy on 127.0.0.1: it tunnels (CONNECT) and forwards (GET http://...). Whatever name it is asked
 * for, it connects to the port of 127.0.0.1 that was asked for. One thread a connection. */

struct proxy;

struct proxy *proxy_start(void);
int proxy_port(const struct proxy *proxy);
/* The request lines so far, each with a newline. Borrowed until proxy_stop(). */
const char *proxy_asked(struct proxy *proxy);
/* Ends every connection, joins every thread. */
void proxy_stop(struct proxy *proxy);

#endif
