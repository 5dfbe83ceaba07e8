/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ready/port.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "container/container.h"
#include "container/listeners.h"
#include "container/ports.h"
#include "ready/condition.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* A port that listens. The kernel is asked, so that the app sees no connection. */

#define LOOKS_PER_LIST 8U

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

void mf_port_describe(int netlink, int protocol, char *seen, size_t size)
{
        int n = snprintf(seen, size, "nothing %s", protocol == IPPROTO_TCP ? "listens" : "is bound");

        if (n > 0 && (size_t) n < size)
                mf_describe_listeners(netlink, protocol, seen + n, size - (size_t) n);
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

        if (mf_link_activated(container, &wait->name)) /* the library listens there since before the start */
                return 1;
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
