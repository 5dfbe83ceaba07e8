/* SPDX-License-Identifier: MIT */
#ifndef MF_CONTAINER_NETWORK_H
#define MF_CONTAINER_NETWORK_H

/* Networks that containers share, and who is on them. A container has a membership, and in it a member for each of its networks.
 *
 * Two kinds of mutex: that of a network is held while mayfly-network works on it, so that what the kernel has is what was
 * decided last. The one of all networks, mf_networks_lock(), guards the memory, and is held for a moment only. It is taken after the
 * other. */

#include <netinet/in.h>
#include <pthread.h>
#include <sys/types.h>

#include <mayfly/network.h>

#include "protocol/network.h"
#include "protocol/pack.h"

#define MF_MEMBERSHIPS_MAX 8U /* networks of a container */

struct mf_membership;

/* A bit for each member of a network. */
struct mf_member_set {
        unsigned char bits[MF_MEMBERS_MAX / 8 + 1];
};

struct mf_member {
        struct mf_membership *of;
        struct mayfly_network *network; /* which has a reference */
        unsigned number;                /* 0: not on it */
        int is_attached;                /* with interfaces */
        int has_ipv6;
        int is_alone;              /* cut off from those that join later, too */
        struct mf_member_set lost; /* those whose packets do not arrive here */
};

struct mf_membership {
        const struct mayfly_container *container; /* NULL: its handle is freed, and another process owns it */
        pid_t owner;                              /* the process that made it */
        int leader;                               /* pidfd of the container's PID 1, -1 before the container joins */
        int hosts;                                /* its /etc/hosts, or -1 */
        off_t own_end, file_end;                  /* of what mayfly-launch wrote there, and of all */
        char *names;                              /* separated by blanks */
        struct mf_member members[MF_MEMBERSHIPS_MAX];
        size_t n_members;
};

struct mayfly_network {
        struct mayfly_network *next;
        pid_t owner;         /* the process that made it */
        unsigned references; /* of the handle and the members; 0: only the memory is left */
        int is_freed;        /* the handle is */
        int has_cuts;        /* or had some */
        unsigned number;     /* in the process */
        unsigned last;       /* number that the last new member got */
        int hub;             /* network namespace */
        pthread_mutex_t working;
        struct mf_member **members; /* by number, from 1 on */
};

/* network.c */
void mf_networks_lock(void);
void mf_networks_unlock(void);
/* Finds the network of a handle, which may be anything, and takes a reference. Returns NULL when it is none that can be used. */
struct mayfly_network *mf_network_take(const struct mayfly_network *handle, const char *what, struct mayfly_error *err);
/* Gives a reference back. */
void mf_network_drop(struct mayfly_network *network);
/* Does that in locked memory. Returns the network namespace, to be closed, or -1. */
int mf_network_drop_locked(struct mayfly_network *network);
/* Calls mayfly-network for the network, which the caller has locked for work. Returns 0 or negative errno. */
int mf_network_call(const struct mayfly_network *network, int operation, struct mf_pack *arguments, int more,
                    int *ret_value, struct mayfly_error *err);

/* Addresses as text. */
struct mf_addresses {
        char ipv4[INET_ADDRSTRLEN], ipv6[INET6_ADDRSTRLEN];
};

/* addresses.c: writes those of a member. */
void mf_network_addresses(unsigned network, unsigned number, struct mf_addresses *ret);
/* Whether the container, which may be NULL or freed, is on the network, and its addresses; "" where it has none. */
int mf_network_has(const struct mayfly_network *network, const struct mayfly_container *container,
                   struct mf_addresses *ret);
/* Whether what `from` sends to `to` is lost. */
int mf_network_loses(const struct mayfly_network *network, const struct mayfly_container *from,
                     const struct mayfly_container *to);

/* cut.c, in locked memory: lets a new member be cut off from those that are to be alone. */
void mf_cuts_begin(struct mf_member *member);
/* Forgets all cuts of a member that leaves. */
void mf_cuts_end(const struct mf_member *member);
/* Tells the kernel all cuts of the network, which the caller has locked for work. Returns 0 or negative errno. */
int mf_cuts_apply(const struct mayfly_network *network, struct mayfly_error *err);

/* membership.c */

/* Takes the networks and aliases of the container's spec. *ret stays NULL when the spec has none. Returns 0 or negative errno. */
int mf_membership_take(const struct mayfly_container *container, struct mf_membership **ret, struct mayfly_error *err);
/* Keeps the descriptor of the container's /etc/hosts. */
void mf_membership_give_hosts(struct mf_membership *membership, int fd);
/* Puts the container on its networks, and its names into the files of the others there. Returns 0 or negative errno. */
int mf_membership_join(struct mf_membership *membership, struct mayfly_error *err);
/* Takes the container, which has ended, off its networks. NULL is fine. */
void mf_membership_leave(struct mf_membership *membership);
/* Makes a container that has ended unreachable, with its number and so its addresses kept for another life. NULL is fine. */
void mf_membership_rest(struct mf_membership *membership);
/* Writes the network namespaces of the container's networks into `ret`. NULL has none. Returns how many. */
size_t mf_membership_hubs(const struct mf_membership *membership, int ret[MF_MEMBERSHIPS_MAX]);
/* Lets a container whose handle is freed, and which lives on, be on its networks until it ends. NULL is fine. Returns NULL. */
struct mf_membership *mf_membership_let_go(struct mf_membership *membership);
/* Leaves and frees. NULL is fine. Returns NULL. */
struct mf_membership *mf_membership_free(struct mf_membership *membership);
/* In locked memory: takes members whose containers have died off the network. */
void mf_members_prune(const struct mayfly_network *network);

/* hosts.c, in locked memory: writes all files of the network's members. Only the failure of `own` (may be NULL) counts. Returns 0 or
 * negative errno. */
int mf_hosts_write(const struct mayfly_network *network, const struct mf_membership *own);

#endif
