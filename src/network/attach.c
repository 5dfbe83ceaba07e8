/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <netlink/errno.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/link/inet6.h>
#include <netlink/route/link/veth.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#include "network/network.h"
#include "protocol/network.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define LOOK_US 200U    /* between two looks at an interface */
#define LOOKS_MAX 5000U /* until nobody expects it any more */

struct member {
        unsigned network, number; /* see protocol/network.h */
        int hub, container;       /* descriptors of the network namespaces */
        struct nl_sock *in_hub, *in_container;
        char port[MF_PORT_NAME_SIZE];      /* its interface in the hub */
        char interface[MF_PORT_NAME_SIZE]; /* and in the container */
};

/* --- the pair of interfaces ----------------------------------------------------------------------------------- */

/* Gives the member's end its name, place and Ethernet address. Returns 0, or a negative error of libnl. */
static int describe_peer(const struct member *member, struct rtnl_link *peer)
{
        const unsigned char bytes[6] = { MF_NETWORK_ETHER_0,
                                         MF_NETWORK_ETHER_1,
                                         (unsigned char) (member->network >> 8),
                                         (unsigned char) member->network,
                                         (unsigned char) (member->number >> 8),
                                         (unsigned char) member->number };
        struct nl_addr *address = nl_addr_build(AF_LLC, bytes, sizeof(bytes));

        if (!address)
                return -NLE_NOMEM;
        rtnl_link_set_name(peer, member->interface);
        rtnl_link_set_ns_fd(peer, member->container);
        rtnl_link_set_addr(peer, address);
        nl_addr_put(address);
        return 0;
}

/* Makes the pair, with its end in the hub up and on the bridge. Returns 0, or a negative error of libnl. */
static int add_pair(const struct member *member, int bridge)
{
        struct rtnl_link *pair = rtnl_link_veth_alloc();

        if (!pair)
                return -NLE_NOMEM;
        struct rtnl_link *peer = rtnl_link_veth_get_peer(pair);
        int r = describe_peer(member, peer);
        rtnl_link_put(peer);
        rtnl_link_set_name(pair, member->port);
        rtnl_link_set_master(pair, bridge);
        rtnl_link_set_flags(pair, IFF_UP);
        if (r == 0)
                r = rtnl_link_add(member->in_hub, pair, NLM_F_CREATE | NLM_F_EXCL);
        rtnl_link_put(pair);
        return r;
}

/* Removes what an earlier member of the same number has left, whose namespace the kernel has not yet taken down. */
static void remove_old(const struct member *member)
{
        struct rtnl_link *old = NULL;

        if (rtnl_link_get_kernel(member->in_hub, 0, member->port, &old) == 0) {
                (void) rtnl_link_delete(member->in_hub, old);
                rtnl_link_put(old);
        }
}

static int connect_to_bridge(const struct member *member, struct mayfly_error *err)
{
        struct rtnl_link *bridge = NULL;

        int r = rtnl_link_get_kernel(member->in_hub, 0, MF_BRIDGE, &bridge);
        if (r < 0)
                return mf_netlink_error(err, r, "the hub has no bridge");
        r = add_pair(member, rtnl_link_get_ifindex(bridge));
        if (r == -NLE_EXIST) {
                remove_old(member);
                r = add_pair(member, rtnl_link_get_ifindex(bridge));
        }
        rtnl_link_put(bridge);
        if (r == -NLE_OPNOTSUPP)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_START,
                                "a network of containers: this kernel has no veth; load the module veth, or use a "
                                "kernel with CONFIG_VETH");
        return r < 0 ? mf_netlink_error(err, r, "a pair of interfaces cannot be made") : 0;
}

/* --- the member's end ----------------------------------------------------------------------------------------- */

/* Sets the interface up. It makes no IPv6 address itself, because such a one is not usable for a second. Without IPv6 in the
 * kernel nothing of that is possible or needed. Returns 0, or a negative error of libnl. */
static int set_up(const struct member *member, struct rtnl_link *link)
{
        struct rtnl_link *change = rtnl_link_alloc();
        int r = -NLE_NOMEM;

        if (!change)
                return r;
        if (rtnl_link_inet6_set_addr_gen_mode(change, IN6_ADDR_GEN_MODE_NONE) == 0)
                (void) rtnl_link_change(member->in_container, link, change, 0);
        rtnl_link_put(change);
        change = rtnl_link_alloc();
        if (!change)
                return r;
        rtnl_link_set_flags(change, IFF_UP);
        r = rtnl_link_change(member->in_container, link, change, 0);
        rtnl_link_put(change);
        return r;
}

/* Adds an address that is usable at once. Returns 0, or a negative error of libnl. */
static int add_address(const struct member *member, int index, int family, const void *bytes, int prefix)
{
        struct nl_addr *local = nl_addr_build(family, bytes, family == AF_INET ? 4 : 16);
        struct rtnl_addr *address = rtnl_addr_alloc();
        int r = local && address ? 0 : -NLE_NOMEM;

        if (r == 0) {
                nl_addr_set_prefixlen(local, prefix);
                rtnl_addr_set_ifindex(address, index);
                rtnl_addr_set_family(address, family);
                r = rtnl_addr_set_local(address, local);
        }
        if (r == 0) {
                rtnl_addr_set_prefixlen(address, prefix);
                if (family == AF_INET6)
                        rtnl_addr_set_flags(address, IFA_F_NODAD | IFA_F_PERMANENT);
                r = rtnl_addr_add(member->in_container, address, NLM_F_CREATE | NLM_F_EXCL);
        }
        rtnl_addr_put(address);
        nl_addr_put(local);
        return r;
}

static int add_ipv4(const struct member *member, int index)
{
        const uint32_t address = htonl(MF_NETWORK_IPV4(member->network, member->number));

        return add_address(member, index, AF_INET, &address, MF_NETWORK_IPV4_PREFIX);
}

/* Adds the address that others know, and one for what stays on the link, multicast for instance. */
static int add_ipv6(const struct member *member, int index)
{
        const unsigned char high = (unsigned char) (member->network >> 8), low = (unsigned char) member->network;
        const unsigned char number[2] = { (unsigned char) (member->number >> 8), (unsigned char) member->number };
        const unsigned char known[16] = { MF_NETWORK_IPV6_SITE, high, low, [14] = number[0], [15] = number[1] };
        const unsigned char on_link[16] = { 0xfe, 0x80, [14] = number[0], [15] = number[1] };

        int r = add_address(member, index, AF_INET6, known, 64);
        return r < 0 ? r : add_address(member, index, AF_INET6, on_link, 64);
}

static int configure(const struct member *member, int *ret_has_ipv6, struct mayfly_error *err)
{
        struct rtnl_link *link = NULL;

        int r = rtnl_link_get_kernel(member->in_container, 0, member->interface, &link);
        if (r < 0)
                return mf_netlink_error(err, r, "the container's interface is not there");
        int index = rtnl_link_get_ifindex(link);
        r = set_up(member, link);
        rtnl_link_put(link);
        if (r < 0)
                return mf_netlink_error(err, r, "the container's interface cannot be set up");
        r = add_ipv4(member, index);
        if (r < 0)
                return mf_netlink_error(err, r, "the container's interface gets no address");
        *ret_has_ipv6 = add_ipv6(member, index) == 0; /* a host may have IPv6 disabled */
        return 0;
}

/* --- ready to be used ----------------------------------------------------------------------------------------- */

static int is_operational(struct nl_sock *socket, const char *name)
{
        struct rtnl_link *link = NULL;

        if (rtnl_link_get_kernel(socket, 0, name, &link) < 0)
                return 0;
        int state = rtnl_link_get_operstate(link);
        rtnl_link_put(link);
        return state == IF_OPER_UP;
}

/* Waits until packets get through: the kernel sets the last of it up on its own time. */
static int await(const struct member *member, struct mayfly_error *err)
{
        for (unsigned i = 0; i < LOOKS_MAX; i++) {
                if (is_operational(member->in_container, member->interface) &&
                    is_operational(member->in_hub, member->port))
                        return 0;
                usleep(LOOK_US);
        }
        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_START,
                        "a network of containers: the interface %s is not operational", member->interface);
}

/* Opens a socket in each of both namespaces. This process stays in the hub's. */
static int open_both(struct member *member, int leader, struct mayfly_error *err)
{
        int r = mf_netlink_enter(leader, "the container", err);

        if (r < 0)
                return r;
        member->in_container = mf_netlink_open(err);
        if (!member->in_container)
                return err->code;
        member->container = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (member->container < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START,
                                      "a network of containers: /proc/thread-self/ns/net cannot be opened");
        r = mf_netlink_enter(member->hub, "the network's hub", err);
        if (r < 0)
                return r;
        member->in_hub = mf_netlink_open(err);
        return member->in_hub ? 0 : err->code;
}

static void clear(struct member *member)
{
        mf_netlink_closep(&member->in_hub);
        mf_netlink_closep(&member->in_container);
        mf_close(member->container);
}

int mf_network_attach(struct mf_serve_call *call, struct mayfly_error *err)
{
        mf_cleanup(clear) struct member member = { .hub = call->fds[0], .container = -1 };
        int has_ipv6 = 0;

        member.network = (unsigned) mf_unpack_number(&call->arguments);
        member.number = (unsigned) mf_unpack_number(&call->arguments);
        unsigned interface = (unsigned) mf_unpack_number(&call->arguments);
        if (call->arguments.failed)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_START, "mayfly-network lacks arguments");
        mf_port_name(member.number, member.port);
        snprintf(member.interface, sizeof(member.interface), "eth%u", interface);
        int r = open_both(&member, call->fds[1], err);
        if (r == 0)
                r = connect_to_bridge(&member, err);
        if (r == 0)
                r = configure(&member, &has_ipv6, err);
        if (r == 0)
                r = await(&member, err);
        call->answer.value = has_ipv6;
        return r;
}
