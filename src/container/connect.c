/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/listeners.h"
#include "container/ports.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

/* Sockets that are connected in the container's network, for clients that take a descriptor. */

#define LISTENERS_MAX 16U
#define CONNECT_MS 10000U /* on a loopback network a connection is there at once, unless the server's queue is full */

/* Waits for a connection that is being made. Returns 0 or negative errno. */
static int finish(struct mayfly_container *container, int fd, unsigned timeout_ms, struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(timeout_ms);
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

/* Where a connection goes, and how long it may take. */
struct target {
        const struct mf_port_name *port;
        unsigned timeout_ms;
        const struct mf_link *activated; /* or NULL: the app has this port of the host itself */
};

static int connect_to(struct mayfly_container *container, const struct target *target,
                      const struct sockaddr_storage *address, socklen_t size, struct mayfly_error *err)
{
        int is_udp = target->port->kind == MF_FORWARD_UDP, type = is_udp ? SOCK_DGRAM : SOCK_STREAM, one = 1;
        mf_cleanup(mf_closep) int fd = -1;

        if (target->activated)
                fd = socket(address->ss_family, type | SOCK_CLOEXEC, 0);
        else
                fd = mf_forward_socket(container, address->ss_family, type, 0, err);
        if (fd < 0 && target->activated)
                return -errno;
        if (fd < 0)
                return fd;
        if (!is_udp)
                (void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;
        int r = connect(fd, (const struct sockaddr *) address, size) < 0 ? -errno : 0;
        if (r == -EINPROGRESS)
                r = finish(container, fd, target->timeout_ms, err);
        if (r == 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
                r = -errno;
        return r < 0 ? r : mf_take_fd(&fd);
}

/* Whether another address may do better than the one that failed with r. The latter three: without IPv6. */
static int is_elsewhere(int r)
{
        return r == -ECONNREFUSED || r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT || r == -ENETUNREACH;
}

static int connect_loopback(struct mayfly_container *container, const struct target *target, struct mayfly_error *err)
{
        static const int families[] = { AF_INET, AF_INET6 };
        struct sockaddr_storage address;
        int r = -ECONNREFUSED;

        for (size_t i = 0; i < MF_ELEMENTSOF(families) && is_elsewhere(r); i++) {
                socklen_t size = mf_loopback_address(families[i], (uint16_t) target->port->port, &address);
                r = connect_to(container, target, &address, size, err);
        }
        return r;
}

/* Asks the kernel where the port listens, and connects there. Where it does not, `instead` says what does. */
static int connect_listed(struct mayfly_container *container, const struct target *target, char *instead, size_t size,
                          struct mayfly_error *err)
{
        int protocol = target->port->kind == MF_FORWARD_UDP ? IPPROTO_UDP : IPPROTO_TCP, r = -ECONNREFUSED;
        struct mf_bound_socket found[LISTENERS_MAX];
        struct sockaddr_storage address;
        mf_cleanup(mf_closep) int netlink = mf_open_diag(container, protocol, err);

        if (netlink < 0)
                return netlink;
        int n = mf_diag_list(netlink, protocol, (uint16_t) target->port->port, found, LISTENERS_MAX);
        for (int i = 0; i < n && is_elsewhere(r); i++) {
                socklen_t address_size = mf_bound_address(&found[i], &address);
                r = connect_to(container, target, &address, address_size, err);
        }
        if (n == 0)
                mf_describe_listeners(netlink, protocol, instead, size);
        return n < 0 ? mf_diag_failed(container, n, err) : r;
}

/* Of TCP most listen on a loopback address, which is tried first, because it is quick. To UDP nobody answers, so that the kernel has
 * to be asked. */
static int connect_port(struct mayfly_container *container, const struct target *target, char *instead, size_t size,
                        struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        int is_udp = target->port->kind == MF_FORWARD_UDP;
        struct sockaddr_storage address = { 0 };

        if (target->activated) {
                memcpy(&address, &target->activated->sockaddr, sizeof(target->activated->sockaddr));
                return connect_to(container, target, &address, sizeof(target->activated->sockaddr), err);
        }
        int r = is_udp ? -ECONNREFUSED : connect_loopback(container, target, &why);
        if (is_elsewhere(r))
                r = connect_listed(container, target, instead, size, &why);
        if (r == -ENOTSUP) /* this kernel does not tell what listens */
                r = is_udp ? connect_loopback(container, target, NULL) : -ECONNREFUSED;
        else if (r < 0 && why.code)
                mf_error_copy(err, why.code, why.stage, why.message);
        return r;
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
        struct target target = { .port = &name, .timeout_ms = timeout_ms };
        char shown[200], instead[300] = "";

        int r = mf_port_parse(container, port, &name, err);
        if (r < 0)
                return r;
        target.activated = mf_link_activated(container, &name);
        r = name.kind == MF_FORWARD_UNIX ? connect_unix(container, &name, err)
                                         : connect_port(container, &target, instead, sizeof(instead), err);
        if (r >= 0) {
                *ret_fd = r;
                return 0;
        }
        mf_port_show(&name, shown, sizeof(shown));
        if (r == -ECONNREFUSED)
                return mf_error(err, r, MAYFLY_STAGE_NETWORK,
                                "nothing listens on %s in container %s%s. Has the app started to serve? See `.wait` in "
                                "mayfly_container_start(3), and mayfly_container_logs()",
                                shown, container->machine, instead);
        return mf_error_errno(err, r, MAYFLY_STAGE_NETWORK, "connecting to %s in container %s", shown,
                              container->machine);
}

MF_EXPORT int mayfly_container_connect(struct mayfly_container *container, const char *port, int *ret_fd,
                                       struct mayfly_error *err)
{
        if (!container || !ret_fd)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_connect() needs a container and a place for its result");
        int r = mf_container_check_use(container, err);
        return r == 0 ? mf_container_connect_within(container, port, CONNECT_MS, ret_fd, err) : r;
}
