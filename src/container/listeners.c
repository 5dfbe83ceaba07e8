/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/listeners.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "container/container.h"
#include "container/forward-client.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define SHOWN 6U /* sockets that a message lists */
#define SOCKETS_MAX 256U

int mf_open_diag(struct mayfly_container *container, int protocol, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int fd = mf_forward_socket(container, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG, err);

        if (fd < 0)
                return fd;
        int r = mf_diag_check(fd, protocol);
        return r < 0 ? mf_diag_failed(container, r, err) : mf_take_fd(&fd);
}

int mf_diag_failed(const struct mayfly_container *container, int r, struct mayfly_error *err)
{
        if (r == -ENOENT)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_WAIT,
                                "the kernel cannot tell which sockets listen; it needs CONFIG_INET_DIAG, "
                                "CONFIG_INET_UDP_DIAG and CONFIG_UNIX_DIAG");
        return mf_error_errno(err, r, MAYFLY_STAGE_WAIT, "asking the kernel for the sockets of container %s",
                              container->machine);
}

/* Writes "127.0.0.1:6380" or "[::1]:6380". */
static void show_socket(const struct mf_bound_socket *socket, char *text, size_t size)
{
        char address[INET6_ADDRSTRLEN] = "?";

        inet_ntop(socket->family, &socket->address, address, sizeof(address));
        snprintf(text, size, socket->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, socket->port);
}

void mf_describe_listeners(int netlink, int protocol, char *ret, size_t size)
{
        mf_cleanup(mf_freep) struct mf_bound_socket *sockets = calloc(SOCKETS_MAX, sizeof(*sockets));
        int n = sockets ? mf_diag_list(netlink, protocol, 0, sockets, SOCKETS_MAX) : 0;
        size_t used = 0;
        unsigned shown = 0;
        char text[64];

        ret[0] = '\0';
        for (int i = 0; i < n && shown < SHOWN && used < size; i++, shown++) {
                show_socket(&sockets[i], text, sizeof(text));
                used += (size_t) snprintf(ret + used, size - used, "%s%s", shown ? ", " : "; ", text);
        }
        if (used < size && shown)
                snprintf(ret + used, size - used, "%s%s", n > (int) shown ? " and others" : "",
                         n > 1 ? " do" : " does");
}
