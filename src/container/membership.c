/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "container/names.h"
#include "container/network.h"
#include "protocol/call.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/trace.h"

/* --- before the start ----------------------------------------------------------------------------------------- */

static int take_network(struct mf_membership *membership, struct mayfly_network *handle, struct mayfly_error *err)
{
        char what[48];

        if (membership->n_members == MF_MEMBERSHIPS_MAX)
                return mf_error(err, -E2BIG, MAYFLY_STAGE_SPEC,
                                "the spec has more than %u networks; leave out some, or end the list with NULL",
                                MF_MEMBERSHIPS_MAX);
        for (size_t i = 0; i < membership->n_members; i++)
                if (membership->members[i].network == handle)
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "networks[%zu] and networks[%zu] of the spec are the same; leave out one", i,
                                        membership->n_members);
        struct mf_member *member = &membership->members[membership->n_members];
        snprintf(what, sizeof(what), "networks[%zu] of the spec", membership->n_members);
        struct mayfly_error own = MAYFLY_ERROR_INIT;
        member->network = mf_network_take(handle, what, &own);
        if (!member->network)
                return mf_error(err, own.code, own.stage, "%s", own.message);
        member->of = membership;
        membership->n_members++;
        return 0;
}

static int check(const struct mayfly_spec *spec, struct mayfly_error *err)
{
        int has_networks = spec->networks && spec->networks[0];

        if (!has_networks && spec->aliases && spec->aliases[0])
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec has aliases, but no networks where they could be used; set networks");
        if (has_networks && spec->network == MAYFLY_NETWORK_HOST)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "the spec has both networks and MAYFLY_NETWORK_HOST; a container of the host's network "
                                "can be on no other, so remove one of them");
        return mf_aliases_check(spec->aliases, err);
}

int mf_membership_take(const struct mayfly_container *container, struct mf_membership **ret, struct mayfly_error *err)
{
        const struct mayfly_spec *spec = &container->spec;

        int r = check(spec, err);
        if (r < 0 || !spec->networks || !spec->networks[0])
                return r;
        struct mf_membership *membership = calloc(1, sizeof(*membership));
        if (!membership)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        *membership = (struct mf_membership){ .container = container, .owner = getpid(), .leader = -1, .hosts = -1 };
        for (size_t i = 0; r == 0 && spec->networks[i]; i++)
                r = take_network(membership, spec->networks[i], err);
        if (r < 0)
                mf_membership_free(membership);
        else
                *ret = membership;
        return r;
}

void mf_membership_give_hosts(struct mf_membership *membership, int fd)
{
        struct stat st;

        mf_close(membership->hosts);
        membership->hosts = fd;
        membership->own_end = membership->file_end = fstat(fd, &st) < 0 ? 0 : st.st_size;
}

/* --- joining -------------------------------------------------------------------------------------------------- */

/* Gives the member a number, in locked memory. Numbers go round, so that one that was just given up is not yet taken again. */
static int enter(struct mf_member *member)
{
        struct mayfly_network *network = member->network;

        mf_members_prune(network);
        for (unsigned i = 0; i < MF_MEMBERS_MAX; i++) {
                unsigned number = (network->last + i) % MF_MEMBERS_MAX + 1;
                if (network->members[number])
                        continue;
                network->last = member->number = number;
                network->members[number] = member;
                mf_cuts_begin(member);
                return 0;
        }
        return -EMFILE;
}

static int attach(struct mf_member *member, unsigned interface, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };

        mf_pack_number(&arguments, member->network->number);
        mf_pack_number(&arguments, member->number);
        mf_pack_number(&arguments, interface);
        return mf_network_call(member->network, MF_OPERATION_NETWORK_ATTACH, &arguments, member->of->leader,
                               &member->has_ipv6, err);
}

static int join(struct mf_member *member, unsigned interface, struct mayfly_error *err)
{
        struct mayfly_network *network = member->network;

        pthread_mutex_lock(&network->working);
        mf_networks_lock();
        int r = member->number ? 0 : enter(member); /* it may have one from an earlier life */
        mf_networks_unlock();
        if (r < 0)
                (void) mf_error(err, r, MAYFLY_STAGE_START, "the network has %u members already; use another for more",
                                MF_MEMBERS_MAX);
        else
                r = attach(member, interface, err);
        mf_networks_lock();
        member->is_attached = r == 0;
        int has_cuts = network->has_cuts;
        mf_networks_unlock();
        if (r == 0 && has_cuts)
                r = mf_cuts_apply(network, err);
        pthread_mutex_unlock(&network->working);
        return r;
}

int mf_membership_join(struct mf_membership *membership, struct mayfly_error *err)
{
        const struct mayfly_container *container = membership->container;
        MF_TRACE("networks", container->machine);
        int r = 0;

        membership->leader = fcntl(container->leader_fd, F_DUPFD_CLOEXEC, 3);
        if (membership->leader < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "the pidfd of the container");
        if (!membership->names)
                membership->names =
                        mf_names_join(container->machine, container->spec.hostname, container->spec.aliases);
        if (!membership->names)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        for (size_t i = 0; r == 0 && i < membership->n_members; i++)
                r = join(&membership->members[i], (unsigned) i, err);
        mf_networks_lock();
        int written = 0;
        for (size_t i = 0; r == 0 && i < membership->n_members; i++) {
                int one = mf_hosts_write(membership->members[i].network, membership);
                written = one < 0 ? one : written;
        }
        mf_networks_unlock();
        return written < 0 ? mf_error_errno(err, written, MAYFLY_STAGE_START, "writing /etc/hosts in the container")
                           : r;
}

/* --- leaving -------------------------------------------------------------------------------------------------- */

/* Takes the member off its network, in locked memory. */
static void remove_member(struct mf_member *member)
{
        if (member->number == 0)
                return;
        member->network->members[member->number] = NULL;
        mf_cuts_end(member);
        member->number = 0;
        member->is_attached = 0;
}

/* Frees what nobody else does. The caller, who has locked the memory, has a reference of the network that it works on. */
static void free_orphan(struct mf_membership *membership)
{
        for (size_t i = 0; i < membership->n_members; i++) {
                struct mf_member *member = &membership->members[i];
                remove_member(member);
                if (member->network->references > 1)
                        (void) mf_hosts_write(member->network, NULL);
                mf_close(mf_network_drop_locked(member->network));
        }
        mf_close(membership->hosts);
        mf_close(membership->leader);
        free(membership->names);
        free(membership);
}

void mf_members_prune(const struct mayfly_network *network)
{
        int found = 0;

        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++) {
                struct mf_member *member = network->members[i];
                if (!member || !mf_pidfd_has_ended(member->of->leader))
                        continue;
                if (member->of->container)
                        remove_member(member);
                else
                        free_orphan(member->of);
                found = 1;
        }
        if (found)
                (void) mf_hosts_write(network, NULL);
}

void mf_membership_leave(struct mf_membership *membership)
{
        if (!membership)
                return;
        mf_networks_lock();
        for (size_t i = 0; i < membership->n_members; i++) {
                struct mf_member *member = &membership->members[i];
                int was_there = member->number != 0;
                remove_member(member);
                /* A forked child must not write: the files are the parent's. */
                if (was_there && membership->owner == getpid())
                        (void) mf_hosts_write(member->network, NULL);
        }
        membership->hosts = mf_close(membership->hosts);
        membership->leader = mf_close(membership->leader);
        mf_networks_unlock();
}

void mf_membership_rest(struct mf_membership *membership)
{
        if (!membership)
                return;
        mf_networks_lock();
        for (size_t i = 0; i < membership->n_members; i++) {
                membership->members[i].is_attached = 0;
                if (membership->members[i].number)
                        (void) mf_hosts_write(membership->members[i].network, NULL);
        }
        membership->hosts = mf_close(membership->hosts);
        membership->leader = mf_close(membership->leader);
        mf_networks_unlock();
}

size_t mf_membership_hubs(const struct mf_membership *membership, int ret[MF_MEMBERSHIPS_MAX])
{
        size_t n = 0;

        for (; membership && n < membership->n_members; n++)
                ret[n] = membership->members[n].network->hub;
        return n;
}

struct mf_membership *mf_membership_let_go(struct mf_membership *membership)
{
        if (!membership)
                return NULL;
        mf_networks_lock();
        membership->container = NULL;
        mf_networks_unlock();
        return NULL;
}

struct mf_membership *mf_membership_free(struct mf_membership *membership)
{
        if (!membership)
                return NULL;
        mf_membership_leave(membership);
        for (size_t i = 0; i < membership->n_members; i++)
                mf_network_drop(membership->members[i].network);
        free(membership->names);
        free(membership);
        return NULL;
}
