/* SPDX-License-Identifier: MIT */
#ifndef MF_NETWORK_PROTOCOL_H
#define MF_NETWORK_PROTOCOL_H

/* What library and mayfly-network both know of a network, which has a number in the library's process, and of its members, which
 * have a number in the network. The operations are in protocol/call.h. */

#define MF_NETWORKS_MAX 16383U /* numbers go from 1 on */
#define MF_MEMBERS_MAX 250U    /* numbers go from 1 on, and are the last part of the addresses */

/* A network has 100.64.0.0/10's part /24 of its number. These addresses are no host's and no site's (RFC 6598). */
#define MF_NETWORK_IPV4(network, member) (0x64400000U + ((uint32_t) (network) << 8) + (uint32_t) (member))
#define MF_NETWORK_IPV4_PREFIX 24

/* The first six bytes of its IPv6 addresses: of a site's own range (RFC 4193). Then two of the network's number; /64. */
#define MF_NETWORK_IPV6_SITE 0xfd, 0x6d, 0x61, 0x79, 0x66, 0x6c

/* The first two bytes of a member's Ethernet address. Two of the network's number and two of the member's follow. */
#define MF_NETWORK_ETHER_0 0x02
#define MF_NETWORK_ETHER_1 0x6d

#endif
