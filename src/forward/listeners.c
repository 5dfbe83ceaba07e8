/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/sock-diag.h"

struct sockaddr_storage forward_loopback(int family, uint16_t port)
{
        struct sockaddr_storage ret;

        mf_loopback_address(family, port, &ret);
        return ret;
}

socklen_t forward_address_size(const struct sockaddr_storage *address)
{
        return address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

size_t forward_listeners(int protocol, uint16_t port, struct sockaddr_storage *ret, size_t max)
{
        struct mf_bound_socket found[FORWARD_LISTENERS_MAX];
        mf_cleanup(mf_closep) int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

        if (fd < 0)
                return 0;
        int n = mf_diag_list(fd, protocol, port, found, max < FORWARD_LISTENERS_MAX ? max : FORWARD_LISTENERS_MAX);
        for (int i = 0; i < n; i++)
                mf_bound_address(&found[i], &ret[i]);
        return n > 0 ? (size_t) n : 0;
}
