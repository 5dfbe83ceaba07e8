/* SPDX-License-Identifier: MIT */
#include <mayfly/link.h>

#include <errno.h>

#include "container/container.h"
#include "container/forward-client.h"
#include "container/ports.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/options.h"

/* Links that fail on purpose: mayfly-forward does it (src/forward/flow.c). */

#define HOUR_MS 3600000U

static const struct mf_option_kind link_kind =
        MF_OPTION_KIND("the link", "MAYFLY_LINK or MAYFLY_LINK_INIT", struct mayfly_link, down);
static const struct mf_option_kind direction_kind =
        MF_OPTION_KIND("a direction of the link", "MAYFLY_LINK_DIRECTION or MAYFLY_LINK_DIRECTION_INIT",
                       struct mayfly_link_direction, stopped);

static int check_time(const char *name, unsigned ms, struct mayfly_error *err)
{
        if (ms <= HOUR_MS)
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the link has %s = %u; at most %u, an hour, is possible", name,
                        ms, HOUR_MS);
}

/* Takes one direction: what the caller says of it, or of both. */
static int take_direction(const struct mayfly_link *link, const struct mayfly_link_direction *given,
                          struct mf_forward_flow *ret, struct mayfly_error *err)
{
        struct mayfly_link_direction direction = MAYFLY_LINK_DIRECTION_INIT;

        if (!given) {
                direction.latency_ms = link->latency_ms;
                direction.jitter_ms = link->jitter_ms;
                direction.bytes_per_s = link->bytes_per_s;
                direction.cut_after = link->cut_after;
                direction.corrupt_at = link->corrupt_at;
                direction.stopped = link->stopped;
        }
        int r = mf_options_take(&direction, given, &direction_kind, err);
        if (r == 0)
                r = check_time("latency_ms", direction.latency_ms, err);
        if (r == 0)
                r = check_time("jitter_ms", direction.jitter_ms, err);
        if (r < 0)
                return r;
        *ret = (struct mf_forward_flow){ .latency_us = (uint64_t) direction.latency_ms * 1000,
                                         .jitter_us = (uint64_t) direction.jitter_ms * 1000,
                                         .bytes_per_s = direction.bytes_per_s,
                                         .cut_after = direction.cut_after,
                                         .corrupt_at = direction.corrupt_at,
                                         .is_stopped = direction.stopped != 0 };
        return 0;
}

static int take(const struct mayfly_link *given, struct mf_forward_faults *ret, struct mayfly_error *err)
{
        struct mayfly_link link = MAYFLY_LINK_INIT;

        int r = mf_options_take(&link, given, &link_kind, err);
        if (r == 0)
                r = check_time("slow_close_ms", link.slow_close_ms, err);
        if (r == 0)
                r = take_direction(&link, link.up, &ret->up, err);
        if (r == 0)
                r = take_direction(&link, link.down, &ret->down, err);
        if (r < 0)
                return r;
        ret->slow_close_us = (uint64_t) link.slow_close_ms * 1000;
        ret->refuse = link.refuse != 0;
        ret->reset = link.reset != 0;
        return 0;
}

MF_EXPORT int mayfly_link_set(struct mayfly_container *container, const char *port, const struct mayfly_link *given,
                              struct mayfly_error *err)
{
        struct mf_forward_request request = { .type = MF_FORWARD_FAULTS };
        struct mf_forward_reply reply = { 0 };
        int r = 0;

        if (!container || !port)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_link_set() needs a container and a port");
        r = mf_container_check_use(container, err);
        if (r == 0)
                r = take(given, &request.faults, err);
        if (r < 0)
                return r;
        const struct mf_link *link = mf_link_find(container, port, &r, err);
        if (!link)
                return r;
        if (container->spec.network == MAYFLY_NETWORK_HOST)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_NETWORK,
                                "the link of %s cannot fail on purpose: with the network of the host clients are "
                                "connected with the app itself; leave out MAYFLY_NETWORK_HOST",
                                port);
        if (link->is_activated)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_NETWORK,
                                "the link of %s cannot fail on purpose: it is published with activate, so that clients "
                                "are connected with the app itself; leave out activate",
                                port);
        request.link = link->link;
        r = mf_forward_ask(container, &request, NULL, 0, &reply, NULL, err);
        if (r == 0 && reply.error < 0)
                return mf_error(err, reply.error, MAYFLY_STAGE_NETWORK, "the link of %s in container %s: %s", port,
                                container->machine, reply.text);
        return r;
}
