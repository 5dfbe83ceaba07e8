/* SPDX-License-Identifier: MIT */
#ifndef MAYFLY_NETWORK_H
#define MAYFLY_NETWORK_H

#include <mayfly/container.h>
#include <mayfly/error.h>

/**
 * @file
 * Networks that containers share. A spec names them in `networks`; then its container reaches the others there by name
 * and alias, over IPv4 and IPv6. A network is in no namespace of the host, so that two tests cannot clash, and nothing
 * of it is left when its owner ends.
 *
 * Different networks, and one and the same, may be used by different threads at once. A network belongs to the process
 * that made it: in a forked child every call on it but mayfly_network_free() fails with -ECHILD.
 */

#ifdef __cplusplus
extern "C" {
#endif

/** A network. Opaque; release with mayfly_network_free(). */
struct mayfly_network;

/**
 * Makes a network without members.
 * @param ret  set on success; the caller owns it
 * @return 0 or negative errno: -ENOTSUP (this kernel has no bridges), ...
 */
int mayfly_network_create(struct mayfly_network **ret, struct mayfly_error *err);

/**
 * Releases the handle (NULL is fine). The network stays for the containers that are on it, and ends with the last of
 * them. Always returns NULL.
 */
struct mayfly_network *mayfly_network_free(struct mayfly_network *network);

/**
 * Cuts `a` and `b` off from each other: what either sends is lost without an answer, also on open connections, from
 * now on. (Only ARP and neighbour discovery still work, so that a new connection is not refused but gets no answer, as
 * across a far network.) Nothing inside a container can undo that. With `b` NULL, `a` is cut off from all other members, and from
 * those that join later.
 * @return 0 or negative errno: -ENOENT (not on this network), -ESRCH (the container has ended), -ENOTSUP, ...
 */
int mayfly_network_cut(struct mayfly_network *network, const struct mayfly_container *a,
                       const struct mayfly_container *b, struct mayfly_error *err);

/** The same in one direction: what `from` sends to `to` is lost, what `to` sends still arrives. */
int mayfly_network_cut_one_way(struct mayfly_network *network, const struct mayfly_container *from,
                               const struct mayfly_container *to, struct mayfly_error *err);

/**
 * Undoes each cut between `a` and `b`, in both directions; with `b` NULL, each between `a` and any other member. What
 * was not cut stays as it is. Connections go on when their side sends again, as TCP does after a while.
 */
int mayfly_network_mend(struct mayfly_network *network, const struct mayfly_container *a,
                        const struct mayfly_container *b, struct mayfly_error *err);

#ifdef __cplusplus
}
#endif

#endif
