/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_PORT_H
#define MAYFLY_PORT_H

#include <stddef.h>
#include <sys/socket.h>

#include <mayfly/error.h>
#include <mayfly/struct.h>

/**
 * @file
 * How a test reaches what listens in a container, and how a container reaches what listens in the test. See
 * mayfly-ports(7).
 *
 * A port is written "6379/tcp", "53/udp", "6379" (TCP), or by the name that the image or the spec gives to it. Nothing here needs
 * privileges in the host's network namespace, and nothing of it outlives the container.
 */

#ifdef __cplusplus
extern "C" {
#endif

struct mayfly_container;

/**
 * A port of the container to publish: the library binds 127.0.0.1 and, with the same number, [::1] of the host before the
 * container starts, and what connects there is connected to the port inside. With MAYFLY_NETWORK_HOST the address is
 * 127.0.0.1 and the app's own port.
 */
struct mayfly_publish {
        size_t size;          /**< sizeof this struct; 0 will do in an entry of MAYFLY_PORTS() */
        const char *name;     /**< by which the port is asked for; without `port`: of one of the image's ports */
        unsigned port;        /**< number inside, 1 to 65,535 */
        const char *protocol; /**< "tcp" (the default) or "udp" */
        unsigned host_port;   /**< number on the host; 0, the default, lets the kernel choose a free one */
        /** Absolute path of a Unix stream socket inside, instead of `port` and `protocol`: published as a port of TCP, and asked
         * for by `name` or as "unix:/PATH". */
        const char *path;
        /** Non-zero: the app gets the published socket itself, open, as sd_listen_fds(3) expects it; not with `path`. It is a
         * socket of the host's network, which is then within reach of the app. Only in a spec. See mayfly-ports(7). */
        int activate;
};

#define MAYFLY_PUBLISH_INIT MAYFLY_INIT_(struct mayfly_publish)

/**
 * Ports for a spec: `.publish = MAYFLY_PORTS({ .port = 6379 }, { .name = "dns", .protocol = "udp", .port = 53 })`.
 * The braces are for C only; `MAYFLY_PORTS(MAYFLY_PUBLISH(.port = 6379))` is for C and C++.
 */
#ifndef __cplusplus
#define MAYFLY_PUBLISH(...)                                        \
        {                                                          \
                .size = sizeof(struct mayfly_publish), __VA_ARGS__ \
        }
#define MAYFLY_PORTS(...) \
        ((const struct mayfly_publish[]){ { .size = sizeof(struct mayfly_publish) }, __VA_ARGS__, { .size = 0 } })
#else
#define MAYFLY_PUBLISH(...) (*MAYFLY_MAKE_(struct mayfly_publish, MAYFLY_UNIQUE_(publish_), __VA_ARGS__))
#define MAYFLY_PORTS(...) MAYFLY_KEEP_(mayfly_publish, __VA_ARGS__)
#endif

/** A port of the host's 127.0.0.1 that the container reaches as host.mayfly:PORT, such as that of a server in the test. */
struct mayfly_host_port {
        size_t size;          /**< sizeof this struct; 0 will do in an entry of MAYFLY_HOST_PORTS() */
        unsigned port;        /**< number on the host and inside, 1 to 65,535 */
        const char *protocol; /**< "tcp" (the default) or "udp" */
};

#define MAYFLY_HOST_PORT_INIT MAYFLY_INIT_(struct mayfly_host_port)

/**
 * Ports for a spec's `host_ports`: `.host_ports = MAYFLY_HOST_PORTS({ .port = 8080 }, { .port = 8125, .protocol = "udp" })`.
 * The braces are for C only; `MAYFLY_HOST_PORTS(MAYFLY_HOST_PORT(.port = 8080))` is for C and C++.
 */
#ifndef __cplusplus
#define MAYFLY_HOST_PORT(...)                                        \
        {                                                            \
                .size = sizeof(struct mayfly_host_port), __VA_ARGS__ \
        }
#define MAYFLY_HOST_PORTS(...) \
        ((const struct mayfly_host_port[]){ { .size = sizeof(struct mayfly_host_port) }, __VA_ARGS__, { .size = 0 } })
#else
#define MAYFLY_HOST_PORT(...) (*MAYFLY_MAKE_(struct mayfly_host_port, MAYFLY_UNIQUE_(host_port_), __VA_ARGS__))
#define MAYFLY_HOST_PORTS(...) MAYFLY_KEEP_(mayfly_host_port, __VA_ARGS__)
#endif

/** Where a published port is reached. All pointers are borrowed from the container. */
struct mayfly_address {
        size_t size;                     /**< sizeof this struct, set by the caller */
        const char *text;                /**< "127.0.0.1:43817" */
        const char *host;                /**< "127.0.0.1" */
        unsigned port;                   /**< 43817 */
        const struct sockaddr *sockaddr; /**< the same for connect(2) and sendto(2), */
        socklen_t sockaddr_size;         /**< and its size in bytes */
};

#define MAYFLY_ADDRESS_INIT MAYFLY_INIT_(struct mayfly_address)

/**
 * Says where a published port is reached. Works from the start on, also after the container died.
 * @param port  "6379/tcp", "6379", a name, or "unix:/PATH"
 * @param ret   filled in; start from MAYFLY_ADDRESS_INIT
 * @return 0, or -ENOENT with a message that lists what is published
 */
int mayfly_container_address(const struct mayfly_container *container, const char *port, struct mayfly_address *ret,
                             struct mayfly_error *err);

/**
 * Publishes a port of a running container, as a spec's `publish` does.
 * @return 0, or negative errno: -EADDRINUSE (the message says by which process), -EEXIST (published already), -EINVAL,
 *         -ESRCH (the container has died)
 */
int mayfly_container_publish(struct mayfly_container *container, const struct mayfly_publish *publish,
                             struct mayfly_error *err);

/**
 * Makes a socket in the container's network, connects it to a port inside, and gives it to the caller: for clients
 * that take a connected descriptor. It costs no port of the host and no copying. TCP sockets have TCP_NODELAY set.
 * The connection goes to the address where the port listens: 127.0.0.1, ::1, or any other of the container's. A UDP socket is
 * connected to the address that is bound.
 * @param port    "6379/tcp", "6379", a name, or "unix:/PATH" of a stream socket inside
 * @param ret_fd  set on success; close-on-exec, blocking, the caller's to close
 * @return 0, or negative errno: -ECONNREFUSED (nothing listens there; the message says what does), -ENOENT (no such name or path), -ESRCH (the
 *         container has died), ...
 */
int mayfly_container_connect(struct mayfly_container *container, const char *port, int *ret_fd,
                             struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
