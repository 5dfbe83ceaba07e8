/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/keeper.h"
#include "container/network.h"
#include "util/error.h"
#include "util/strv.h"

/* The networks of a keeper, for `mayfly network`. */

/* --- what there is ---------------------------------------------------------------------------------------------- */

static json_t *list_addresses(const struct mf_addresses *addresses, const char *ipv4_end, const char *ipv6_end)
{
        json_t *list = json_array();

        (void) json_array_append_new(list, json_sprintf("%s%s", addresses->ipv4, ipv4_end));
        if (*addresses->ipv6)
                (void) json_array_append_new(list, json_sprintf("%s%s", addresses->ipv6, ipv6_end));
        return list;
}

static json_t *list_subnets(const struct mayfly_network *network)
{
        struct mf_addresses addresses;

        mf_network_addresses(network->number, 0, &addresses);
        return list_addresses(&addresses, "/24", "/64");
}

static json_t *list_members(const struct keeper *keeper, const struct mayfly_network *network)
{
        json_t *list = json_array();
        struct mf_addresses addresses;

        for (size_t i = 0; i < keeper->n; i++) {
                const struct kept *kept = keeper->kept[i];
                if (!kept->is_branch && mf_network_has(network, kept->container, &addresses))
                        (void) json_array_append_new(list, json_pack("{s:s, s:o}", "name", kept->name, "addresses",
                                                                     list_addresses(&addresses, "", "")));
        }
        return list;
}

/* The containers that get nothing of what one sends on the network. */
static json_t *list_cuts(const struct keeper *keeper, const struct mayfly_network *network, const char *from)
{
        const struct mayfly_container *sender = NULL;
        json_t *list = json_array();

        for (size_t i = 0; from && i < keeper->n; i++)
                if (!keeper->kept[i]->is_branch && strcmp(keeper->kept[i]->name, from) == 0)
                        sender = keeper->kept[i]->container;
        for (size_t i = 0; sender && i < keeper->n; i++) {
                const struct kept *to = keeper->kept[i];
                if (!to->is_branch && mf_network_loses(network, sender, to->container))
                        (void) json_array_append_new(list, json_string(to->name));
        }
        return list;
}

static json_t *list_names(const struct keeper *keeper)
{
        const char *const *names = keeper->declaration->networks;
        json_t *list = json_array();

        for (size_t i = 0; keeper->is_ready && names && names[i]; i++)
                if (keeper->networks[i])
                        (void) json_array_append_new(list, json_string(names[i]));
        return list;
}

static const struct mayfly_network *find_network(const struct keeper *keeper, const char *name)
{
        const char *const *names = keeper->declaration->networks;

        for (size_t i = 0; name && keeper->is_ready && names && names[i]; i++)
                if (strcmp(names[i], name) == 0)
                        return keeper->networks[i];
        return NULL;
}

/* A part of it each, since an answer is a single message, and there may be a cut for each two containers. */
json_t *keeper_tell_networks(const struct keeper *keeper, const json_t *request)
{
        const char *what = json_string_value(json_object_get(request, "request"));
        const struct mayfly_network *network =
                find_network(keeper, json_string_value(json_object_get(request, "network")));

        if (what && strcmp(what, "networks") == 0)
                return json_pack("{s:o}", "networks", list_names(keeper));
        if (what && network && strcmp(what, "network") == 0)
                return json_pack("{s:o, s:o}", "subnets", list_subnets(network), "containers",
                                 list_members(keeper, network));
        if (what && network && strcmp(what, "cuts") == 0)
                return json_pack("{s:o}", "cuts",
                                 list_cuts(keeper, network, json_string_value(json_object_get(request, "container"))));
        return NULL;
}

/* --- cuts ------------------------------------------------------------------------------------------------------- */

/* What is asked for: to cut one container off from another, or all others, on one network, or all that they share. */
struct wish {
        const struct kept *a, *b; /* b NULL: all */
        const char *network;      /* NULL: all */
        int is_cut, is_one_way;
};

static int change(const struct wish *wish, struct mayfly_network *network, struct mayfly_error *err)
{
        const struct mayfly_container *a = wish->a->container, *b = wish->b ? wish->b->container : NULL;

        if (!wish->is_cut)
                return mayfly_network_mend(network, a, b, err);
        return wish->is_one_way ? mayfly_network_cut_one_way(network, a, b, err)
                                : mayfly_network_cut(network, a, b, err);
}

static int has(const struct kept *kept, const char *network)
{
        return !kept || (kept->declared->networks && mf_strv_has(kept->declared->networks, network));
}

static int explain_none(const struct wish *wish, struct mayfly_error *err)
{
        char other[TOOL_NAME_MAX + 32] = "", network[TOOL_NAME_MAX + 8] = "";

        if (wish->b)
                snprintf(other, sizeof(other), " with container \"%s\"", wish->b->name);
        if (wish->network)
                snprintf(network, sizeof(network), " \"%.200s\"", wish->network);
        return mf_error(err, -ENOENT, MAYFLY_STAGE_SPEC,
                        "container \"%s\" is on no network%s%s; mayfly network ls says who is on which", wish->a->name,
                        network, other);
}

/* Does it on each network that is meant. */
static int change_all(const struct keeper *keeper, const struct wish *wish, struct mayfly_error *err)
{
        const char *const *names = keeper->declaration->networks;
        unsigned n = 0;

        for (size_t i = 0; names && names[i]; i++) {
                if (!has(wish->a, names[i]) || !has(wish->b, names[i]) ||
                    (wish->network && strcmp(wish->network, names[i]) != 0))
                        continue;
                int r = change(wish, keeper->networks[i], err);
                if (r < 0)
                        return r;
                n++;
        }
        return n > 0 ? 0 : explain_none(wish, err);
}

static int take_wish(struct keeper *keeper, const struct kept *kept, const json_t *request, int is_cut,
                     struct mayfly_error *err)
{
        const char *other = json_string_value(json_object_get(request, "other"));
        struct wish wish = { .a = kept,
                             .network = json_string_value(json_object_get(request, "network")),
                             .is_cut = is_cut,
                             .is_one_way = json_is_true(json_object_get(request, "one_way")) };

        if (other && !(wish.b = keeper_find(keeper, other, err)))
                return -ENOENT;
        return change_all(keeper, &wish, err);
}

int keeper_cut(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        return take_wish(keeper, kept, request, 1, err);
}

int keeper_mend(struct keeper *keeper, struct kept *kept, const json_t *request, struct mayfly_error *err)
{
        return take_wish(keeper, kept, request, 0, err);
}
