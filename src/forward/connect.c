/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/time.h"

#define RETRY_US 1000U /* for a Unix socket whose queue is full, doubled each time */
#define RETRY_DOUBLED 7U

/* Which address is the `attempt`th to be tried: where the last connection found the server, the loopback addresses, then
 * wherever somebody listens. Returns 1, or 0 when there are no more; family 0: nothing to be tried. */
static int choose(const struct forward_link *link, unsigned attempt, struct sockaddr_storage *ret)
{
        uint16_t port = (uint16_t) link->target.port;
        struct sockaddr_storage found[FORWARD_LISTENERS_MAX];

        if (link->is_host && attempt > 0)
                return 0;
        if (link->is_host)
                *ret = forward_loopback(AF_INET, port);
        else if (attempt == 0)
                *ret = link->found;
        else if (attempt < 3)
                *ret = forward_loopback(attempt == 1 ? AF_INET : AF_INET6, port);
        else if (attempt - 3 < forward_listeners(IPPROTO_TCP, port, found, FORWARD_LISTENERS_MAX))
                *ret = found[attempt - 3];
        else
                return 0;
        return 1;
}

static void become_connected(struct forward_connection *connection)
{
        connection->is_connected = 1;
        connection->server.is_writable = 1;
        forward_connection_go_on(connection);
}

static int watch_server(struct forward_connection *connection)
{
        return forward_watch(connection->server.fd, &connection->server.source, FORWARD_EVENTS);
}

/* Begins to connect with the socket of the server's side. Returns 0, or -EINPROGRESS, or another negative errno. */
static int start(struct forward_connection *connection, const struct sockaddr_storage *address)
{
        const struct sockaddr *to = (const struct sockaddr *) address;
        int fd = connection->server.fd, r;

        r = connect(fd, to, forward_address_size(address)) < 0 ? -errno : 0;
        /* On the loopback network the answer is there already. */
        if (r == -EINPROGRESS)
                r = connect(fd, to, forward_address_size(address)) < 0 ? -errno : 0;
        if (r == -EALREADY)
                r = -EINPROGRESS;
        if (r < 0 && r != -EINPROGRESS)
                return r;
        int w = watch_server(connection);
        return w < 0 ? w : r;
}

static int connect_unix(struct forward_connection *connection)
{
        connection->server.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (connection->server.fd < 0)
                return -errno;
        int r = forward_connect_unix(connection->server.fd, connection->link->target.path);
        return r < 0 ? r : watch_server(connection);
}

static int connect_tcp(struct forward_connection *connection, const struct sockaddr_storage *address)
{
        connection->server.fd = forward_link_socket(connection->link, address->ss_family, SOCK_STREAM);
        if (connection->server.fd < 0)
                return connection->server.fd;
        forward_set_options(connection->server.fd);
        int r = start(connection, address);
        if (r == 0 || r == -EINPROGRESS)
                connection->link->found = *address;
        return r;
}

static void try_unix(struct forward_connection *connection)
{
        int r = connect_unix(connection);

        if (r == 0)
                become_connected(connection);
        if (r != -EAGAIN) {
                if (r < 0)
                        forward_connection_reset(connection);
                return;
        }
        connection->server.fd = mf_close(connection->server.fd);
        if (connection->attempt < RETRY_DOUBLED)
                connection->attempt++;
        forward_timer_set(&connection->retry, mf_now_us() + ((uint64_t) RETRY_US << connection->attempt));
}

void forward_connect(struct forward_connection *connection)
{
        struct sockaddr_storage address;

        connection->is_waiting = connection->link->faults.up.is_stopped != 0;
        if (connection->is_waiting)
                return;
        if (connection->link->target.kind == MF_FORWARD_UNIX) {
                try_unix(connection);
                return;
        }
        while (choose(connection->link, connection->attempt++, &address)) {
                if (address.ss_family == 0)
                        continue;
                int r = connect_tcp(connection, &address);
                if (r == -EINPROGRESS)
                        return;
                if (r == 0) {
                        become_connected(connection);
                        return;
                }
                connection->server.fd = mf_close(connection->server.fd);
        }
        connection->link->found.ss_family = 0;
        forward_connection_reset(connection);
}

void forward_connect_ready(struct forward_connection *connection)
{
        int error = 0;
        socklen_t size = sizeof(error);

        if (getsockopt(connection->server.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0) {
                become_connected(connection);
                return;
        }
        connection->server.fd = mf_close(connection->server.fd);
        forward_connect(connection);
}
