/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <netlink/errno.h>
#include <netlink/route/link.h>
#include <netlink/route/link/bridge.h>
#include <sched.h>

#include "network/network.h"
#include "util/error.h"
#include "util/macro.h"

/* Makes the bridge. Returns 0, or a negative error of libnl. */
static int add_bridge(struct nl_sock *socket)
{
        struct rtnl_link *bridge = rtnl_link_bridge_alloc();

        if (!bridge)
                return -NLE_NOMEM;
        rtnl_link_set_name(bridge, MF_BRIDGE);
        rtnl_link_set_flags(bridge, IFF_UP);
        int r = rtnl_link_add(socket, bridge, NLM_F_CREATE | NLM_F_EXCL);
        rtnl_link_put(bridge);
        return r;
}

int mf_network_create(struct mf_serve_call *call, struct mayfly_error *err)
{
        mf_cleanup(mf_netlink_closep) struct nl_sock *socket = NULL;

        if (unshare(CLONE_NEWNET) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START,
                                      "a network of containers: a network namespace cannot be made");
        socket = mf_netlink_open(err);
        if (!socket)
                return err->code;
        int r = add_bridge(socket);
        if (r == -NLE_OPNOTSUPP)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_START,
                                "a network of containers: this kernel has no bridges; load the module bridge, or use a "
                                "kernel with CONFIG_BRIDGE");
        if (r < 0)
                return mf_netlink_error(err, r, "a bridge cannot be made");
        call->answer.fds[0] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (call->answer.fds[0] < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START,
                                      "a network of containers: /proc/thread-self/ns/net cannot be opened");
        call->answer.n_fds = 1;
        return 0;
}
