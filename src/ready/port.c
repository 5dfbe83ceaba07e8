/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ready/port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "container/container.h"
#include "container/forward-client.h"
#include "container/ports.h"
#include "ready/condition.h"
#include "ready/sock-diag.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* A port that listens. The kernel is asked, so that the app sees no connection. */

#define SHOWN 6U /* other sockets that a message lists */
#define SOCKETS_MAX 256U
#define LOOKS_PER_LIST 8U

/* A netlink socket in the network of the container, for questions about a protocol. */
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

int mf_port_listens(int netlink, int protocol, uint16_t port, unsigned look)
{
        struct mf_bound_socket socket;
        int r = mf_diag_reaches(netlink, protocol, AF_INET, port);

        if (r == 0)
                r = mf_diag_reaches(netlink, protocol, AF_INET6, port);
        /* At any other address. The kernel has to walk its table for it, which takes ten times as long. */
        if (r == 0 && look % LOOKS_PER_LIST == 0)
                r = mf_diag_list(netlink, protocol, port, &socket, 1);
        return r;
}

/* Writes "127.0.0.1:6380" or "[::1]:6380". */
static void show_socket(const struct mf_bound_socket *socket, char *text, size_t size)
{
        char address[INET6_ADDRSTRLEN] = "?";

        inet_ntop(socket->family, &socket->address, address, sizeof(address));
        snprintf(text, size, socket->family == AF_INET6 ? "[%s]:%u" : "%s:%u", address, socket->port);
}

void mf_port_describe(int netlink, int protocol, char *seen, size_t size)
{
        mf_cleanup(mf_freep) struct mf_bound_socket *sockets = calloc(SOCKETS_MAX, sizeof(*sockets));
        int n = sockets ? mf_diag_list(netlink, protocol, 0, sockets, SOCKETS_MAX) : 0;
        const char *listens = protocol == IPPROTO_TCP ? "listens" : "is bound";
        size_t used;
        unsigned shown = 0;
        char text[64];

        used = (size_t) snprintf(seen, size, "nothing %s", listens);
        for (int i = 0; i < n && shown < SHOWN && used < size; i++, shown++) {
                show_socket(&sockets[i], text, sizeof(text));
                used += (size_t) snprintf(seen + used, size - used, "%s%s", shown ? ", " : "; ", text);
        }
        if (used < size && shown)
                snprintf(seen + used, size - used, "%s%s", n > (int) shown ? " and others" : "",
                         n > 1 ? " do" : " does");
}

struct port_wait {
        struct mf_port_name name;
        int netlink;
        unsigned looks;
};

static int check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        struct port_wait *wait = calloc(1, sizeof(*wait));

        if (!wait)
                return mf_error_oom(err, MAYFLY_STAGE_SPEC);
        wait->netlink = -1;
        condition->data = wait;
        snprintf(what, size, "port %.200s", condition->options.port);
        return 0;
}

static int resolve(struct mf_condition *condition, const struct mayfly_container *container, struct mayfly_error *err)
{
        struct port_wait *wait = condition->data;

        int r = mf_port_parse(container, condition->options.port, &wait->name, err);
        if (r == 0 && wait->name.kind == MF_FORWARD_UNIX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the wait for port \"%.200s\" is for a Unix socket; write MAYFLY_WAIT_UNIX(\"%.200s\")",
                                condition->options.port, wait->name.path);
        return r;
}

static int protocol_of(const struct port_wait *wait)
{
        return wait->name.kind == MF_FORWARD_UDP ? IPPROTO_UDP : IPPROTO_TCP;
}

static int look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        struct port_wait *wait = condition->data;

        if (wait->netlink < 0) {
                wait->netlink = mf_open_diag(container, protocol_of(wait), err);
                if (wait->netlink < 0)
                        return wait->netlink == -ESRCH ? 0 : wait->netlink; /* its death is seen elsewhere */
        }
        int r = mf_port_listens(wait->netlink, protocol_of(wait), (uint16_t) wait->name.port, wait->looks++);
        if (r == -EAGAIN)
                return 0;
        return r < 0 ? mf_diag_failed(container, r, err) : r;
}

static void describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        const struct port_wait *wait = condition->data;

        (void) container;
        if (wait->netlink >= 0)
                mf_port_describe(wait->netlink, protocol_of(wait), seen, size);
}

static void clear(struct mf_condition *condition)
{
        struct port_wait *wait = condition->data;

        if (wait)
                mf_close(wait->netlink);
        free(wait);
}

const struct mf_condition_type mf_condition_port = {
        .check = check, .resolve = resolve, .look = look, .describe = describe, .clear = clear
};
