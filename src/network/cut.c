/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <stddef.h>

#include "network/network.h"
#include "protocol/network.h"
#include "util/error.h"
#include "util/macro.h"

/* A cut is a filter on the ports of the bridge, in the hub, where nothing inside a container can undo it. It sees each packet, so
 * that it is in force at once, also for connections that are open. A port drops what comes from those that are cut off from its
 * member, known by their Ethernet address. Another filter drops what a member sends under the address of somebody else.
 *
 * How to get to an address, members can always ask (ARP, and neighbour discovery of IPv6). Otherwise the kernel would give up the
 * address after three seconds, and a connection would fail in another way, and for a while also after the cut is mended.
 *
 * The filters are programs of classic BPF: to load them takes no right but over the hub. */

#define PROGRAM_MAX (2 * MF_MEMBERS_MAX + 24)

/* Where a frame has what, in bytes. */
#define AT_SOURCE ETH_ALEN
#define AT_PROTOCOL (2 * ETH_ALEN)
#define AT_IPV6_NEXT (ETH_HLEN + offsetof(struct ip6_hdr, ip6_nxt))
#define AT_ICMPV6_TYPE (ETH_HLEN + sizeof(struct ip6_hdr))

struct program {
        struct sock_filter code[PROGRAM_MAX];
        size_t n;
};

static void add(struct program *program, struct sock_filter instruction)
{
        if (program->n < PROGRAM_MAX)
                program->code[program->n++] = instruction;
}

static void drop(struct program *program)
{
        add(program, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, TC_ACT_SHOT));
}

static void pass(struct program *program)
{
        add(program, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, (uint32_t) TC_ACT_UNSPEC));
}

/* The part of a source address that tells members apart, see protocol/network.h. */
static void load_source(struct program *program)
{
        add(program, (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, AT_SOURCE + 2));
}

/* What asks for an Ethernet address, and the answers. */
static void pass_questions(struct program *program)
{
        const struct sock_filter code[] = {
                BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_PROTOCOL),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_ARP, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, (uint32_t) TC_ACT_UNSPEC),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETH_P_IPV6, 0, 6),
                BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_IPV6_NEXT),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_ICMPV6, 0, 4),
                BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_ICMPV6_TYPE),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_SOLICIT, 1, 0),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ND_NEIGHBOR_ADVERT, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, (uint32_t) TC_ACT_UNSPEC),
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(code); i++)
                add(program, code[i]);
}

static uint32_t source(unsigned network, unsigned member)
{
        return network << 16 | member;
}

/* --- in the kernel -------------------------------------------------------------------------------------------- */

/* Lets the port have filters. Returns 0, or a negative error of libnl. */
static int allow_filters(struct nl_sock *socket, int index)
{
        const struct tcmsg header = { .tcm_ifindex = index,
                                      .tcm_parent = TC_H_CLSACT,
                                      .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0) };
        struct nl_msg *message = nlmsg_alloc_simple(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);

        if (!message)
                return -NLE_NOMEM;
        if (nlmsg_append(message, (void *) (uintptr_t) &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
            nla_put_string(message, TCA_KIND, "clsact") < 0) {
                nlmsg_free(message);
                return -NLE_MSGSIZE;
        }
        int r = mf_netlink_send(socket, message);
        return r == -NLE_EXIST ? 0 : r;
}

static int put_program(struct nl_msg *message, const struct program *program)
{
        struct nlattr *options = nla_nest_start(message, TCA_OPTIONS);

        if (!options || nla_put_u16(message, TCA_BPF_OPS_LEN, (uint16_t) program->n) < 0 ||
            nla_put(message, TCA_BPF_OPS, (int) (program->n * sizeof(program->code[0])), program->code) < 0 ||
            nla_put_u32(message, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) < 0)
                return -NLE_MSGSIZE;
        return nla_nest_end(message, options);
}

/* Puts the program in the place of the one that is there. Returns 0, or a negative error of libnl. */
static int set_filter(struct nl_sock *socket, int index, uint32_t direction, const struct program *program)
{
        const struct tcmsg header = { .tcm_ifindex = index,
                                      .tcm_parent = TC_H_MAKE(TC_H_CLSACT, direction),
                                      .tcm_handle = 1,
                                      .tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL)) };
        struct nl_msg *message = nlmsg_alloc_size(PROGRAM_MAX * sizeof(struct sock_filter) + 512);

        if (!message)
                return -NLE_NOMEM;
        if (!nlmsg_put(message, NL_AUTO_PORT, NL_AUTO_SEQ, RTM_NEWTFILTER, 0, NLM_F_CREATE | NLM_F_REPLACE) ||
            nlmsg_append(message, (void *) (uintptr_t) &header, sizeof(header), NLMSG_ALIGNTO) < 0 ||
            nla_put_string(message, TCA_KIND, "bpf") < 0 || put_program(message, program) < 0) {
                nlmsg_free(message);
                return -NLE_MSGSIZE;
        }
        return mf_netlink_send(socket, message);
}

/* --- a member ------------------------------------------------------------------------------------------------- */

/* Reads who is cut off, and sets both filters of the member's port. A member that has ended has no port any more. */
static int cut_member(struct mf_serve_call *call, struct nl_sock *socket, unsigned network)
{
        unsigned number = (unsigned) mf_unpack_number(&call->arguments);
        uint64_t n = mf_unpack_number(&call->arguments);
        struct program egress = { .n = 0 }, ingress = { .n = 0 };
        char name[MF_PORT_NAME_SIZE];
        struct rtnl_link *port = NULL;

        pass_questions(&egress);
        load_source(&egress);
        for (uint64_t i = 0; i < n && !call->arguments.failed; i++) {
                unsigned other = (unsigned) mf_unpack_number(&call->arguments);
                add(&egress, (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, source(network, other), 0, 1));
                drop(&egress);
        }
        pass(&egress);
        load_source(&ingress);
        add(&ingress, (struct sock_filter) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, source(network, number), 1, 0));
        drop(&ingress);
        pass(&ingress);

        mf_port_name(number, name);
        if (call->arguments.failed)
                return 0; /* the caller says so */
        int r = rtnl_link_get_kernel(socket, 0, name, &port);
        if (r < 0)
                return r == -NLE_OBJ_NOTFOUND || r == -NLE_NODEV ? 0 : r;
        int index = rtnl_link_get_ifindex(port);
        rtnl_link_put(port);
        r = allow_filters(socket, index);
        if (r == 0)
                r = set_filter(socket, index, TC_H_MIN_INGRESS, &ingress);
        if (r == 0)
                r = set_filter(socket, index, TC_H_MIN_EGRESS, &egress);
        return r == -NLE_NODEV ? 0 : r;
}

int mf_network_cut(struct mf_serve_call *call, struct mayfly_error *err)
{
        mf_cleanup(mf_netlink_closep) struct nl_sock *socket = NULL;
        unsigned network = (unsigned) mf_unpack_number(&call->arguments);
        uint64_t n = mf_unpack_number(&call->arguments);

        int r = mf_netlink_enter(call->fds[0], "the network's hub", err);
        if (r < 0)
                return r;
        socket = mf_netlink_open(err);
        if (!socket)
                return err->code;
        for (uint64_t i = 0; r == 0 && i < n && !call->arguments.failed; i++)
                r = cut_member(call, socket, network);
        if (call->arguments.failed)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_START, "mayfly-network lacks arguments");
        return r < 0 ? mf_netlink_error(err, r,
                                        "members cannot be cut off, which needs the kernel's modules sch_ingress and "
                                        "cls_bpf (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)")
                     : 0;
}
