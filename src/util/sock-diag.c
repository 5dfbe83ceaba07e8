/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/sock-diag.h"

#include <errno.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/macro.h"

#define TCP_STATE_LISTEN 10
#define TCP_STATE_CLOSE 7 /* of a UDP or datagram socket that is not connected */
#define FOREIGN_MAX 1024U /* messages that are not of the kernel, for one of the kernel's */
#define PIECES_MAX 64U    /* of a list, each of the size of the kernel's buffer */
#define LOOPBACK_INDEX 1U /* of lo, in each network namespace */

/* --- netlink -------------------------------------------------------------------------------------------------- */

/* Sends a request, which is one message. */
static int send_request(int fd, struct nlmsghdr *header, size_t size, unsigned flags)
{
        const struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

        header->nlmsg_len = (uint32_t) size;
        header->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        header->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
        for (;;) {
                if (sendto(fd, header, size, 0, (const struct sockaddr *) &kernel, sizeof(kernel)) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* Receives what the kernel has sent. It answers before the request returns, so there is nothing to wait for. A process in the
 * container with CAP_NET_ADMIN may send to this socket, too; its messages are dropped. Returns the size or negative errno; -EAGAIN:
 * such messages left no room for the kernel's. */
static ssize_t receive(int fd, void *buffer, size_t size)
{
        for (unsigned i = 0; i < FOREIGN_MAX; i++) {
                struct sockaddr_nl from = { 0 };
                socklen_t from_size = sizeof(from);
                ssize_t n = recvfrom(fd, buffer, size, MSG_DONTWAIT, (struct sockaddr *) &from, &from_size);
                if (n >= 0 && from.nl_pid == 0)
                        return n;
                if (n < 0 && errno != EINTR && errno != ENOBUFS)
                        return -errno;
        }
        return -EAGAIN;
}

/* Takes one message. Non-zero ends the reading, and is its result. */
typedef int (*take_fn)(const struct nlmsghdr *header, void *userdata);

static int error_of(const struct nlmsghdr *header)
{
        const struct nlmsgerr *error = NLMSG_DATA(header);

        return header->nlmsg_len >= NLMSG_LENGTH(sizeof(*error)) ? error->error : -EPROTO;
}

/* Reads what a list is made of, to its end; -E2BIG: it has more than so many pieces, and the kernel takes no other request. After a non-zero result of `take` the rest is still read, because the
 * next request would find it. */
static int read_list(int fd, unsigned pieces_max, take_fn take, void *userdata)
{
        union { /* as large as the kernel's pieces */
                struct nlmsghdr align;
                char bytes[8 * 1024];
        } buffer;
        int result = 0;

        for (unsigned i = 0; i < pieces_max; i++) {
                ssize_t n = receive(fd, buffer.bytes, sizeof(buffer.bytes));
                if (n < 0)
                        return (int) n;
                size_t left = (size_t) n;
                for (const struct nlmsghdr *h = &buffer.align; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
                        if (h->nlmsg_type == NLMSG_DONE)
                                return result;
                        if (h->nlmsg_type == NLMSG_ERROR)
                                return error_of(h);
                        if (result == 0)
                                result = take(h, userdata);
                }
        }
        return -E2BIG;
}

static int family_size(int family)
{
        return family == AF_INET ? (int) sizeof(struct in_addr) : (int) sizeof(struct in6_addr);
}

/* --- addresses ------------------------------------------------------------------------------------------------ */

socklen_t mf_loopback_address(int family, uint16_t port, struct sockaddr_storage *ret)
{
        const struct sockaddr_in v4 = { .sin_family = AF_INET,
                                        .sin_port = htons(port),
                                        .sin_addr = { htonl(INADDR_LOOPBACK) } };
        const struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                         .sin6_port = htons(port),
                                         .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        socklen_t size = family == AF_INET ? sizeof(v4) : sizeof(v6);

        memset(ret, 0, sizeof(*ret));
        memcpy(ret, family == AF_INET ? (const void *) &v4 : &v6, size);
        return size;
}

socklen_t mf_bound_address(const struct mf_bound_socket *bound, struct sockaddr_storage *ret)
{
        static const struct in6_addr any = IN6ADDR_ANY_INIT;
        socklen_t size = mf_loopback_address(bound->family, bound->port, ret);

        if (memcmp(&bound->address, &any, (size_t) family_size(bound->family)) == 0)
                return size;
        if (bound->family == AF_INET) {
                ((struct sockaddr_in *) ret)->sin_addr = bound->address.v4;
        } else {
                ((struct sockaddr_in6 *) ret)->sin6_addr = bound->address.v6;
                ((struct sockaddr_in6 *) ret)->sin6_scope_id = bound->interface;
        }
        return size;
}

/* --- TCP and UDP ---------------------------------------------------------------------------------------------- */

struct inet_request {
        struct nlmsghdr header;
        struct inet_diag_req_v2 body;
};

static struct inet_request make_request(int protocol, int family)
{
        return (struct inet_request){
                .body = { .sdiag_family = (uint8_t) family,
                          .sdiag_protocol = (uint8_t) protocol,
                          .idiag_states = 1U << (protocol == IPPROTO_TCP ? TCP_STATE_LISTEN : TCP_STATE_CLOSE),
                          .id = { .idiag_if = LOOPBACK_INDEX,
                                  .idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } } }
        };
}

int mf_diag_reaches(int netlink, int protocol, int family, uint16_t port)
{
        static const struct in6_addr v6 = IN6ADDR_LOOPBACK_INIT;
        const struct in_addr v4 = { htonl(INADDR_LOOPBACK) };
        struct inet_request request = make_request(protocol, family);
        struct inet_diag_sockid *id = &request.body.id;
        union {
                struct nlmsghdr header;
                char bytes[2048];
        } answer;
        int is_tcp = protocol == IPPROTO_TCP;

        /* The kernel looks the socket up as for a packet: for TCP the socket's address is the source, for UDP, for
         * historical reasons, the destination. */
        memcpy(is_tcp ? id->idiag_src : id->idiag_dst, family == AF_INET ? (const void *) &v4 : &v6,
               (size_t) family_size(family));
        *(is_tcp ? &id->idiag_sport : &id->idiag_dport) = htons(port);
        int r = send_request(netlink, &request.header, sizeof(request), 0);
        ssize_t n = r < 0 ? r : receive(netlink, &answer, sizeof(answer));
        if (n < 0)
                return (int) n;
        if (!NLMSG_OK(&answer.header, (size_t) n))
                return -EPROTO;
        if (answer.header.nlmsg_type == NLMSG_ERROR) {
                r = error_of(&answer.header);
                return r == -ENOENT ? 0 : r < 0 ? r : -EPROTO;
        }
        const struct inet_diag_msg *message = NLMSG_DATA(&answer.header);
        if (answer.header.nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
                return -EPROTO;
        return !is_tcp || message->idiag_state == TCP_STATE_LISTEN;
}

struct inet_list {
        struct mf_bound_socket *list;
        size_t n, max;
};

static int add_socket(const struct nlmsghdr *header, void *userdata)
{
        const struct inet_diag_msg *message = NLMSG_DATA(header);
        struct inet_list *list = userdata;

        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)) || list->n == list->max)
                return 0;
        struct mf_bound_socket *socket = &list->list[list->n++];
        *socket = (struct mf_bound_socket){ .family = message->idiag_family,
                                            .port = ntohs(message->id.idiag_sport),
                                            .interface = message->id.idiag_if };
        memcpy(&socket->address, message->id.idiag_src, (size_t) family_size(socket->family));
        return 0;
}

int mf_diag_list(int netlink, int protocol, uint16_t port, struct mf_bound_socket *ret, size_t max)
{
        static const int families[] = { AF_INET, AF_INET6 };
        struct inet_list list = { .list = ret, .max = max };

        for (size_t i = 0; i < MF_ELEMENTSOF(families); i++) {
                struct inet_request request = make_request(protocol, families[i]);
                request.body.id.idiag_if = 0;
                request.body.id.idiag_sport = htons(port);
                int r = send_request(netlink, &request.header, sizeof(request), NLM_F_DUMP);
                if (r == 0)
                        r = read_list(netlink, PIECES_MAX, add_socket, &list);
                if (r == -E2BIG)
                        break;
                if (r < 0)
                        return r;
        }
        return (int) list.n;
}

/* --- Unix sockets --------------------------------------------------------------------------------------------- */

struct unix_names {
        int (*take)(const char *name, void *userdata);
        void *userdata;
};

static int take_name(const struct nlmsghdr *header, void *userdata)
{
        const struct unix_names *names = userdata;
        const struct unix_diag_msg *message = NLMSG_DATA(header);
        char name[sizeof(((struct sockaddr_un *) NULL)->sun_path) + 2] = "";

        if (header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
                return -EPROTO;
        if (message->udiag_state != TCP_STATE_LISTEN && message->udiag_type != SOCK_DGRAM)
                return 0;
        size_t left = header->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
        const struct nlattr *a = (const struct nlattr *) (const void *) (message + 1);
        for (; left >= sizeof(*a) && a->nla_len >= sizeof(*a) && a->nla_len <= left;) {
                size_t size = a->nla_len - sizeof(*a), step = NLMSG_ALIGN(a->nla_len);
                if (a->nla_type == UNIX_DIAG_NAME && size > 0 && size < sizeof(name)) {
                        memcpy(name, a + 1, size);
                        name[size] = '\0';
                        if (!name[0])
                                name[0] = '@';
                }
                left -= step < left ? step : left;
                a = (const struct nlattr *) (const void *) ((const char *) a + step);
        }
        return name[0] ? names->take(name, names->userdata) : 0;
}

int mf_diag_unix(int netlink, int (*take)(const char *name, void *userdata), void *userdata)
{
        struct {
                struct nlmsghdr header;
                struct unix_diag_req body;
        } request = { .body = { .sdiag_family = AF_UNIX,
                                .udiag_states = 1U << TCP_STATE_LISTEN | 1U << TCP_STATE_CLOSE,
                                .udiag_show = UDIAG_SHOW_NAME } };
        struct unix_names names = { take, userdata };

        int r = send_request(netlink, &request.header, sizeof(request), NLM_F_DUMP);
        return r < 0 ? r : read_list(netlink, UINT_MAX, take_name, &names);
}

static int no_name(const char *name, void *userdata)
{
        (void) name;
        (void) userdata;
        return 1;
}

int mf_diag_check(int netlink, int protocol)
{
        struct mf_bound_socket none;
        int r = protocol ? mf_diag_list(netlink, protocol, 0, &none, 0) : mf_diag_unix(netlink, no_name, NULL);

        return r < 0 ? r : 0;
}
