/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "container/container.h"
#include "container/network.h"
#include "protocol/call.h"
#include "util/error.h"
#include "util/macro.h"

/* Members that are cut off from each other: what the test wants is noted in memory, and mayfly-network tells the kernel. */

enum way { BOTH_WAYS, FROM_A_TO_B };

static void put(struct mf_member_set *set, unsigned number, int value)
{
        const unsigned char bit = (unsigned char) (1U << number % 8);

        if (value)
                set->bits[number / 8] |= bit;
        else
                set->bits[number / 8] &= (unsigned char) ~bit;
}

static int has(const struct mf_member_set *set, unsigned number)
{
        return set->bits[number / 8] >> number % 8 & 1;
}

static void put_pair(struct mf_member *a, struct mf_member *b, enum way way, int is_cut)
{
        put(&b->lost, a->number, is_cut);
        if (way == BOTH_WAYS)
                put(&a->lost, b->number, is_cut);
}

/* --- in the kernel -------------------------------------------------------------------------------------------- */

static void pack_member(struct mf_pack *pack, const struct mf_member *member)
{
        unsigned n = 0;

        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                n += (unsigned) has(&member->lost, i);
        mf_pack_number(pack, member->number);
        mf_pack_number(pack, n);
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (has(&member->lost, i))
                        mf_pack_number(pack, i);
}

int mf_cuts_apply(const struct mayfly_network *network, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        unsigned n = 0;

        mf_networks_lock();
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                n += network->members[i] && network->members[i]->is_attached;
        mf_pack_number(&arguments, network->number);
        mf_pack_number(&arguments, n);
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (network->members[i] && network->members[i]->is_attached)
                        pack_member(&arguments, network->members[i]);
        mf_networks_unlock();
        return mf_network_call(network, MF_OPERATION_NETWORK_CUT, &arguments, -1, NULL, err);
}

void mf_cuts_begin(struct mf_member *member)
{
        member->lost = (struct mf_member_set){ 0 };
        member->is_alone = 0;
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (member->network->members[i] && member->network->members[i]->is_alone)
                        put_pair(member->network->members[i], member, BOTH_WAYS, 1);
}

void mf_cuts_end(const struct mf_member *member)
{
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (member->network->members[i])
                        put(&member->network->members[i]->lost, member->number, 0);
}

/* --- what the test wants -------------------------------------------------------------------------------------- */

/* Finds the container's member. Returns NULL when it is not on the network. */
static struct mf_member *find(const struct mayfly_network *network, const struct mayfly_container *container,
                              struct mayfly_error *err)
{
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (network->members[i] && network->members[i]->of->container == container)
                        return network->members[i];
        const struct mf_membership *membership = container->membership;
        for (size_t i = 0; membership && i < membership->n_members; i++)
                if (membership->members[i].network == network) {
                        (void) mf_error(err, -ESRCH, MAYFLY_STAGE_SPEC,
                                        "container %s is no longer on the network: it has ended", container->machine);
                        return NULL;
                }
        (void) mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                        "container %s is not on the network; put the network into its spec's networks",
                        container->machine);
        return NULL;
}

struct wish {
        const struct mayfly_container *a, *b; /* b NULL: all */
        enum way way;
        int is_cut;
};

/* Notes the wish, in locked memory. Returns 0 or negative errno. */
static int note(struct mayfly_network *network, const struct wish *wish, struct mayfly_error *err)
{
        mf_members_prune(network);
        struct mf_member *a = find(network, wish->a, err);
        struct mf_member *b = a && wish->b ? find(network, wish->b, err) : NULL;
        if (!a || (wish->b && !b))
                return err && err->code ? err->code : -ENOENT;
        if (b)
                put_pair(a, b, wish->way, wish->is_cut);
        else
                a->is_alone = wish->is_cut;
        for (unsigned i = 1; !b && i <= MF_MEMBERS_MAX; i++)
                if (network->members[i] && network->members[i] != a)
                        put_pair(a, network->members[i], wish->way, wish->is_cut);
        return 0;
}

/* What members have lost, to be put back when the kernel did not do as wished. */
struct past {
        struct mf_member_set lost[MF_MEMBERS_MAX + 1];
        int is_alone[MF_MEMBERS_MAX + 1];
};

static void remember(const struct mayfly_network *network, struct past *ret)
{
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (network->members[i]) {
                        ret->lost[i] = network->members[i]->lost;
                        ret->is_alone[i] = network->members[i]->is_alone;
                }
}

static void go_back(const struct mayfly_network *network, const struct past *past)
{
        for (unsigned i = 1; i <= MF_MEMBERS_MAX; i++)
                if (network->members[i]) {
                        network->members[i]->lost = past->lost[i];
                        network->members[i]->is_alone = past->is_alone[i];
                }
}

static int change(struct mayfly_network *handle, const struct wish *wish, struct mayfly_error *err)
{
        struct mayfly_error own = MAYFLY_ERROR_INIT;
        struct past past;

        if (!handle || !wish->a)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "cutting and mending need a network and a container");
        if (wish->a == wish->b)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "container %s cannot be cut off from itself; give two containers", wish->a->machine);
        struct mayfly_network *network = mf_network_take(handle, "the network", &own);
        if (!network)
                return mf_error(err, own.code, own.stage, "%s", own.message);
        pthread_mutex_lock(&network->working);
        mf_networks_lock();
        remember(network, &past);
        int r = note(network, wish, &own);
        network->has_cuts |= r == 0 && wish->is_cut;
        mf_networks_unlock();
        if (r == 0 && network->has_cuts)
                r = mf_cuts_apply(network, &own);
        if (r < 0) {
                mf_networks_lock();
                go_back(network, &past);
                mf_networks_unlock();
        }
        pthread_mutex_unlock(&network->working);
        mf_network_drop(network);
        return r < 0 ? mf_error(err, r, own.stage, "%s", own.message) : 0;
}

MF_EXPORT int mayfly_network_cut(struct mayfly_network *network, const struct mayfly_container *a,
                                 const struct mayfly_container *b, struct mayfly_error *err)
{
        return change(network, &(const struct wish){ a, b, BOTH_WAYS, 1 }, err);
}

MF_EXPORT int mayfly_network_cut_one_way(struct mayfly_network *network, const struct mayfly_container *from,
                                         const struct mayfly_container *to, struct mayfly_error *err)
{
        if (!to)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_network_cut_one_way() needs a network and two containers");
        return change(network, &(const struct wish){ from, to, FROM_A_TO_B, 1 }, err);
}

MF_EXPORT int mayfly_network_mend(struct mayfly_network *network, const struct mayfly_container *a,
                                  const struct mayfly_container *b, struct mayfly_error *err)
{
        return change(network, &(const struct wish){ a, b, BOTH_WAYS, 0 }, err);
}
