/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/ports.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* Sockets that are connected in the container's network, for clients that take a descriptor. */

#define CONNECT_MS 10000U /* on a loopback network a connection is there at once, unless the server's queue is full */

/* Waits for a connection that is being made. Returns 0 or negative errno. */
static int finish(struct mayfly_container *container, int fd, unsigned timeout_ms, struct mayfly_error *err)
{
        uint64_t deadline = mf_now_us() + (uint64_t) timeout_ms * 1000;
        int error = 0;
        socklen_t size = sizeof(error);

        for (;;) {
                struct pollfd connection = { .fd = fd, .events = POLLOUT };
                int left = mf_left_ms(deadline);
                int r = mf_container_poll(container, &connection, 1, left, err);
                if (r < 0)
                        return r;
                if (connection.revents)
                        break;
                if (container->control < 0)
                        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "connecting", err);
                if (left == 0)
                        return -ETIMEDOUT;
        }
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0 ? -errno : -error;
}

static int connect_to(struct mayfly_container *container, const struct mf_port_name *port,
                      const struct sockaddr *address, socklen_t size, unsigned timeout_ms, struct mayfly_error *err)
{
        int is_udp = port->kind == MF_FORWARD_UDP, one = 1;
        mf_cleanup(mf_closep) int fd =
                mf_forward_socket(container, address->sa_family, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0, err);

        if (fd < 0)
                return fd;
        if (!is_udp)
                (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        int r = connect(fd, address, size) < 0 ? -errno : 0;
        if (r == -EINPROGRESS)
                r = finish(container, fd, timeout_ms, err);
        if (r == 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
                r = -errno;
        return r < 0 ? r : mf_take_fd(&fd);
}

/* Tries 127.0.0.1, then ::1. */
static int connect_port(struct mayfly_container *container, const struct mf_port_name *port, unsigned timeout_ms,
                        struct mayfly_error *err)
{
        const struct sockaddr_in v4 = { .sin_family = AF_INET,
                                        .sin_port = htons((uint16_t) port->port),
                                        .sin_addr = { htonl(INADDR_LOOPBACK) } };
        const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                         .sin6_port = htons((uint16_t) port->port),
                                         .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = connect_to(container, port, (const struct sockaddr *) &v4, sizeof(v4), timeout_ms, &why);
        if (r == -ECONNREFUSED)
                r = connect_to(container, port, (const struct sockaddr *) &v6, sizeof(v6), timeout_ms, &why);
        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT) /* without IPv6 */
                return -ECONNREFUSED;
        if (r == 0 || !why.code)
                return r;
        mf_error_copy(err, why.code, why.stage, why.message);
        return why.code;
}

static int connect_unix(struct mayfly_container *container, const struct mf_port_name *port, struct mayfly_error *err)
{
        struct mf_forward_request request = { .type = MF_FORWARD_CONNECT, .target = { .kind = MF_FORWARD_UNIX } };
        struct mf_forward_reply reply = { 0 };
        int fd = -1;

        snprintf(request.target.path, sizeof(request.target.path), "%s", port->path);
        int r = mf_forward_ask(container, &request, NULL, 0, &reply, &fd, err);
        if (r < 0)
                return r;
        if (reply.error < 0)
                return reply.error;
        return fd >= 0 ? fd : -EPROTO;
}

int mf_container_connect_within(struct mayfly_container *container, const char *port, unsigned timeout_ms, int *ret_fd,
                                struct mayfly_error *err)
{
        struct mf_port_name name;
        char shown[200];

        int r = mf_port_parse(container, port, &name, err);
        if (r < 0)
                return r;
        r = name.kind == MF_FORWARD_UNIX ? connect_unix(container, &name, err)
                                         : connect_port(container, &name, timeout_ms, err);
        if (r >= 0) {
                *ret_fd = r;
                return 0;
        }
        mf_port_show(&name, shown, sizeof(shown));
        if (r == -ECONNREFUSED)
                return mf_error(err, r, MAYFLY_STAGE_NETWORK,
                                "nothing listens on %s in container %s; has the app started to serve? see `.wait` in "
                                "mayfly_container_start(3), and mayfly_container_logs()",
                                shown, container->machine);
        return mf_error_errno(err, r, MAYFLY_STAGE_NETWORK, "connecting to %s in container %s", shown,
                              container->machine);
}

MF_EXPORT int mayfly_container_connect(struct mayfly_container *container, const char *port, int *ret_fd,
                                       struct mayfly_error *err)
{
        if (!container || !ret_fd)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_connect() needs a container and a place for its result");
        int r = mf_container_check_owner(container, err);
        return r == 0 ? mf_container_connect_within(container, port, CONNECT_MS, ret_fd, err) : r;
}
