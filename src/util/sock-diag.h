/* SPDX-License-Identifier: MIT */
#ifndef MF_SOCK_DIAG_H
#define MF_SOCK_DIAG_H

/* Questions to the kernel about the sockets of a network namespace: that of a socket of AF_NETLINK, NETLINK_SOCK_DIAG. Nobody in
 * that namespace notices. */

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

/* A socket that listens or, of UDP, is bound and not connected. */
struct mf_bound_socket {
        int family; /* AF_INET or AF_INET6 */
        union {
                struct in_addr v4;
                struct in6_addr v6;
        } address;
        uint16_t port;
        uint32_t interface; /* number of the one that the address belongs to, or 0 */
};

/* Sets where the socket is reached from its own network namespace: its address or, of one that is bound to all, loopback. Returns
 * the size of the address. */
socklen_t mf_bound_address(const struct mf_bound_socket *bound, struct sockaddr_storage *ret);
socklen_t mf_loopback_address(int family, uint16_t port, struct sockaddr_storage *ret);

/* Whether what connects or sends to this port of 127.0.0.1 (family AF_INET) or ::1 (AF_INET6) reaches a socket. Returns 1, 0 or
 * -errno. */
int mf_diag_reaches(int netlink, int protocol, int family, uint16_t port);

/* Whether the kernel knows the questions about a protocol, which is 0 for Unix sockets. Returns 0, or -ENOENT when it does not (it has no tcp_diag, udp_diag or unix_diag). */
int mf_diag_check(int netlink, int protocol);

/* Lists the sockets of a protocol, with this port or, for 0, all. Returns how many, up to max, or -errno. It takes a bounded time,
 * whatever there is in the namespace: a list of thousands is cut off, and the netlink socket then of no further use. */
int mf_diag_list(int netlink, int protocol, uint16_t port, struct mf_bound_socket *ret, size_t max);

/* Calls `take` with the name of each Unix socket that listens or, of datagrams, is bound, until it returns non-zero. An abstract
 * name begins with '@'. Returns what `take` did, 0, or -errno. */
int mf_diag_unix(int netlink, int (*take)(const char *name, void *userdata), void *userdata);

#endif
