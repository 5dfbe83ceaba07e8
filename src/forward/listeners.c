/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"

#define ANSWERS_MAX 64 /* that are read for one question */

struct addresses {
        struct sockaddr_storage *list;
        size_t n, max;
};

struct sockaddr_storage forward_loopback(int family, uint16_t port)
{
        struct sockaddr_storage ret = { 0 };

        if (family == AF_INET)
                memcpy(&ret,
                       &(struct sockaddr_in){ .sin_family = AF_INET,
                                              .sin_port = htons(port),
                                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
                       sizeof(struct sockaddr_in));
        else
                memcpy(&ret,
                       &(struct sockaddr_in6){
                               .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT },
                       sizeof(struct sockaddr_in6));
        return ret;
}

socklen_t forward_address_size(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static void add(struct addresses *addresses, const struct inet_diag_msg *found)
{
        static const uint8_t any[16] = { 0 };
        uint16_t port = ntohs(found->id.idiag_sport);
        size_t size = found->idiag_family == AF_INET ? 4 : 16;
        struct sockaddr_storage address = forward_loopback(found->idiag_family, port);

        if (memcmp(found->id.idiag_src, any, size) != 0) {
                if (found->idiag_family == AF_INET) {
                        memcpy(&((struct sockaddr_in *) &address)->sin_addr, found->id.idiag_src, size);
                } else {
                        memcpy(&((struct sockaddr_in6 *) &address)->sin6_addr, found->id.idiag_src, size);
                        ((struct sockaddr_in6 *) &address)->sin6_scope_id = found->id.idiag_if;
                }
        }
        if (addresses->n < addresses->max)
                addresses->list[addresses->n++] = address;
}

/* Reads one answer of the kernel. Returns 1 when there are more to come. */
static int read_answer(int fd, uint16_t port, struct addresses *addresses)
{
        union {
                struct nlmsghdr align;
                char bytes[16384];
        } buffer;

        struct sockaddr_nl from = { 0 };
        socklen_t size = sizeof(from);

        ssize_t n = recvfrom(fd, &buffer, sizeof(buffer), MSG_DONTWAIT, (struct sockaddr *) &from, &size);
        if (n <= 0)
                return 0;
        if (from.nl_pid != 0)
                return 1; /* not of the kernel: a process in the container with CAP_NET_ADMIN may send to this socket */
        uint32_t left = (uint32_t) n;
        for (struct nlmsghdr *header = &buffer.align; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
                const struct inet_diag_msg *found = NLMSG_DATA(header);
                if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY ||
                    header->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
                        return 0;
                if (ntohs(found->id.idiag_sport) == port)
                        add(addresses, found);
        }
        return 1;
}

static void ask(int fd, int family, int protocol, uint16_t port, struct addresses *addresses)
{
        struct {
                struct nlmsghdr header;
                struct inet_diag_req_v2 request;
        } question = {
                .header = { .nlmsg_len = sizeof(question),
                            .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                            .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
                .request = { .sdiag_family = (uint8_t) family,
                             .sdiag_protocol = (uint8_t) protocol,
                             /* A UDP socket that is bound, but not connected, is in the state CLOSE. */
                             .idiag_states = 1U << (protocol == IPPROTO_TCP ? TCP_LISTEN : TCP_CLOSE),
                             .id.idiag_sport = htons(port) },
        };

        if (send(fd, &question, sizeof(question), 0) < 0)
                return;
        for (int i = 0; i < ANSWERS_MAX && read_answer(fd, port, addresses); i++)
                ;
}

size_t forward_listeners(int protocol, uint16_t port, struct sockaddr_storage *ret, size_t max)
{
        struct addresses addresses = { .list = ret, .max = max };
        mf_cleanup(mf_closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

        if (fd < 0)
                return 0;
        ask(fd, AF_INET, protocol, port, &addresses);
        ask(fd, AF_INET6, protocol, port, &addresses);
        return addresses.n;
}
