/* SPDX-License-Identifier: MIT */
#ifndef MF_PORTS_H
#define MF_PORTS_H

/* The ports of a container: what the spec publishes, and how a port is named. Begin with ports.c; publish.c binds the host's
 * ends, connect.c makes connected sockets, forward-client.c talks to mayfly-forward. */

#include <mayfly/port.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/forward.h"

struct mayfly_container;

/* A port inside. */
struct mf_port_name {
        enum mf_forward_kind kind;
        unsigned port;
        const char *path; /* UNIX: borrowed */
};

/* A port that the host reaches, or one of the host's that the container reaches. Its `link` is its name in requests to
 * mayfly-forward. */
struct mf_link {
        uint32_t link;
        int is_host_port;
        int is_activated;           /* the app has the socket itself */
        struct mf_port_name inside; /* the path is this struct's */
        char *name;                 /* or NULL */
        unsigned wanted;            /* number on the host that the spec asks for, or 0 */
        int fds[MF_FORWARD_FDS_MAX];
        size_t n_fds; /* listening sockets that mayfly-forward does not have yet */
        int reserve;  /* socket that has the number of 127.0.0.1, and never listens; -1: none */
        struct sockaddr_in sockaddr;
        char text[sizeof("255.255.255.255:65535")], host[INET_ADDRSTRLEN];
};

/* All of a container's. */
struct mf_links {
        struct mf_link **list;
        size_t n;
        uint32_t last_number; /* that a link got */
};

void mf_links_clear(struct mf_links *links);
/* Closes and frees what the link has, not the link. */
void mf_link_clear(struct mf_link *link);

/* ports.c: finds what `text` names: "6379/tcp", "6379", a name that the spec or the image gives, "unix:/PATH". Returns 0 or negative
 * errno. */
int mf_port_parse(const struct mayfly_container *container, const char *text, struct mf_port_name *ret,
                  struct mayfly_error *err);
/* Finds the published port that `text` names, or with "host:PORT" one of the spec's host_ports. Returns NULL with an error. */
const struct mf_link *mf_link_find(const struct mayfly_container *container, const char *text, int *ret_code,
                                   struct mayfly_error *err);
/* Replaces {mayfly:port:PORT} and {mayfly:address:PORT} in the spec's env, argv and entrypoint, which become the container's.
 * Returns 0 or negative errno. */
int mf_ports_expand(struct mayfly_container *container, struct mayfly_error *err);
/* Finds the published port whose socket the app has itself. Returns NULL when there is none. */
const struct mf_link *mf_link_activated(const struct mayfly_container *container, const struct mf_port_name *name);
/* Whether both are one port, or one Unix socket. */
int mf_port_is_same(const struct mf_port_name *a, const struct mf_port_name *b);
/* Writes how a port is named: "6379/tcp", "unix:/run/x.sock". Returns `ret`. */
const char *mf_port_show(const struct mf_port_name *name, char *ret, size_t size);

/* connect.c: connects as mayfly_container_connect() does, but waits only so long for a server whose queue is full: then the result
 * is -ETIMEDOUT, and of a Unix socket -EAGAIN at once. Returns 0 or negative errno. */
int mf_container_connect_within(struct mayfly_container *container, const char *port, unsigned timeout_ms, int *ret_fd,
                                struct mayfly_error *err);

/* publish.c: binds what the spec publishes, before anything starts. */
int mf_ports_bind(struct mayfly_container *container, struct mayfly_error *err);
/* Queues the requests for all ports at mayfly-forward, as many as fit, or sends the rest once the container answers. */
int mf_ports_queue(struct mayfly_container *container, struct mayfly_error *err);
int mf_ports_connect(struct mayfly_container *container, struct mayfly_error *err);

/* Listens on the same numbers again, for another start. */
int mf_ports_bind_again(struct mayfly_container *container, struct mayfly_error *err);
/* Gives up the numbers of ports. */
void mf_ports_release(struct mayfly_container *container);

/* Whether ports of the host are to be reachable from the container's own network. */
int mf_ports_need_host(const struct mayfly_container *container);

/* port-owner.c: writes which process has bound a port of this host, such as "process 123 (redis-server)". Returns 0 when it
 * cannot be seen. */
int mf_port_owner(int is_udp, unsigned port, char *ret, size_t size);

#endif
