/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "container/network.h"

/* Addresses on networks, as text, and who loses whose packets. */

void mf_network_addresses(unsigned network, unsigned number, struct mf_addresses *ret)
{
        const struct in_addr ipv4 = { htonl(MF_NETWORK_IPV4(network, number)) };
        const struct in6_addr ipv6 = { .s6_addr = { MF_NETWORK_IPV6_SITE, (unsigned char) (network >> 8),
                                                    (unsigned char) network, [14] = (unsigned char) (number >> 8),
                                                    [15] = (unsigned char) number } };

        (void) inet_ntop(AF_INET, &ipv4, ret->ipv4, sizeof(ret->ipv4));
        (void) inet_ntop(AF_INET6, &ipv6, ret->ipv6, sizeof(ret->ipv6));
}

/* Returns the container's member, if it is there, in locked memory. */
static const struct mf_member *find(const struct mayfly_network *network, const struct mayfly_container *container)
{
        for (unsigned i = 1; network->members && container && i <= MF_MEMBERS_MAX; i++) {
                const struct mf_member *member = network->members[i];
                if (member && member->is_attached && member->of->container == container)
                        return member;
        }
        return NULL;
}

int mf_network_has(const struct mayfly_network *network, const struct mayfly_container *container,
                   struct mf_addresses *ret)
{
        mf_networks_lock();
        const struct mf_member *member = find(network, container);
        if (member) {
                mf_network_addresses(network->number, member->number, ret);
                if (!member->has_ipv6)
                        ret->ipv6[0] = '\0';
        }
        mf_networks_unlock();
        return member != NULL;
}

int mf_network_loses(const struct mayfly_network *network, const struct mayfly_container *from,
                     const struct mayfly_container *to)
{
        mf_networks_lock();
        const struct mf_member *sender = find(network, from), *receiver = find(network, to);
        int is_lost = sender && receiver && (receiver->lost.bits[sender->number / 8] >> sender->number % 8 & 1);
        mf_networks_unlock();
        return is_lost;
}
