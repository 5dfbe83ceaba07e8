/* SPDX-License-Identifier: MIT */
#include "ready/start.h"

#include <errno.h>

#include "container/container.h"
#include "container/life-calls.h"
#include "container/life.h"
#include "container/ports.h"
#include "container/spec-key.h"
#include "ready/spare.h"
#include "ready/system.h"
#include "util/error.h"
#include "util/macro.h"

int mf_start_prepare(struct mf_start *start, const struct mayfly_spec *spec, struct mayfly_error *err)
{
        int r = mf_container_new(&start->container, spec, err);

        if (r == 0)
                r = mf_spec_keep(start->container, err);
        if (r == 0)
                r = mf_conditions_make(&start->wait, start->container->spec.wait, err);
        if (r == 0)
                r = mf_spec_check_spare(start->container, err);
        if (r == 0)
                start->container->with_notify =
                        start->container->spec.boot || mf_conditions_have(&start->wait, &mf_condition_notify);
        return r;
}

int mf_start_refuse_spares(const struct mf_start *start, struct mayfly_error *err)
{
        if (!start->container->spec.spare)
                return 0;
        return mf_error(
                err, -EINVAL, MAYFLY_STAGE_SPEC,
                "the spec has spare = %u, but only mayfly_container_start() has spares; leave it out, or call that",
                start->container->spec.spare);
}

int mf_start_prepare_alone(struct mf_start *start, const struct mayfly_spec *spec, struct mayfly_error *err)
{
        int r = mf_start_prepare(start, spec, err);

        if (r == 0 && start->container->spec.after)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "the spec has after = \"%.100s\", which only mayfly_containers_start() can heed; start "
                             "them together by it, or leave it out",
                             start->container->spec.after);
        return r;
}

/* Makes the wait of a spec that has none: what it publishes listens, and its init system has started everything. What the image
 * declares does not count, because many an app does not listen there. */
static int wait_for_published(struct mf_start *start, struct mayfly_error *err)
{
        const struct mf_links *links = &start->container->links;
        struct mayfly_wait *entry;

        start->published = calloc(links->n + 3, sizeof(*start->published));
        start->ports = calloc(links->n + 1, sizeof(*start->ports));
        if (!start->published || !start->ports)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        entry = start->published;
        entry->size = sizeof(*entry);
        if (start->container->spec.boot)
                *++entry = (struct mayfly_wait){ .size = sizeof(*entry), .notify = 1 };
        for (size_t i = 0; i < links->n; i++) {
                const struct mf_link *link = links->list[i];
                if (link->is_host_port || link->is_activated)
                        continue;
                entry++;
                entry->size = sizeof(*entry);
                if (link->inside.kind == MF_FORWARD_UNIX)
                        entry->unix_socket = link->inside.path;
                else
                        entry->port = mf_port_show(&link->inside, start->ports[i], sizeof(start->ports[i]));
        }
        mf_conditions_clear(&start->wait);
        return mf_conditions_make(&start->wait, start->published, err);
}

int mf_start_boot(struct mf_start *start, struct mayfly_error *err)
{
        struct mayfly_container *container = start->container;
        int r = 0;

        if (!container->spec.wait && mf_container_runs_app(container))
                r = wait_for_published(start, err);
        if (r == 0)
                r = mf_conditions_resolve(&start->wait, container, err);
        if (r == 0)
                r = mf_ports_expand(container, err);
        if (r == 0)
                r = mf_call_before_start(container, err);
        if (r == 0)
                r = mf_container_boot(container, err);
        if (r == 0)
                r = mf_conditions_await(&start->wait, container, err);
        if (r == 0 && container->spec.boot && !container->spec.wait)
                r = mf_system_check(container, err);
        return r == 0 ? mf_call_on_ready(container, err) : r;
}

int mf_start_run(struct mf_start *start, int cancel, struct mayfly_container **ret, struct mayfly_error *err)
{
        struct mayfly_container *container = start->container;

        container->cancel = cancel;
        int r = container->engine_type ? 0 : mf_container_check_host(container, err); /* or that was done before */
        if (r == 0)
                r = mf_container_open_image(container, err);
        if (r == 0)
                r = mf_container_check_cancelled(container, err);
        if (r == 0)
                r = mf_ports_bind(container, err);
        if (r == 0)
                r = mf_start_boot(start, err);
        container->has_lived = r == 0;
        container->cancel = -1; /* it is started, or is to be stopped */
        if (r == 0)
                *ret = mf_take(start->container);
        return r;
}

void mf_start_release(struct mf_start *start)
{
        mf_conditions_clear(&start->wait);
        free(start->published);
        free(start->ports);
        *start = (struct mf_start){ 0 };
}

void mf_start_clear(struct mf_start *start)
{
        mayfly_container_free(start->container);
        mf_start_release(start);
}

MF_EXPORT int mayfly_container_start(struct mayfly_container **ret, const struct mayfly_spec *spec,
                                     struct mayfly_error *err)
{
        mf_cleanup(mf_start_clear) struct mf_start start = { 0 };

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_start() needs a place for its result");
        int r = mf_start_prepare_alone(&start, spec, err);
        if (r < 0)
                return r;
        return start.container->spec.spare ? mf_spares_start(&start, spec, ret, err)
                                           : mf_start_run(&start, -1, ret, err);
}

MF_EXPORT int mayfly_container_wait_for(struct mayfly_container *container, const struct mayfly_wait *wait,
                                        struct mayfly_error *err)
{
        if (!container || !wait)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "mayfly_container_wait_for() needs a container and a wait; write one with MAYFLY_WAIT()");
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        mf_cleanup(mf_conditions_clear) struct mf_condition conditions = { 0 };
        r = mf_container_check_unpaused(container, "waiting for conditions", err);
        if (r == 0)
                r = mf_conditions_make(&conditions, wait, err);
        if (r == 0)
                r = mf_conditions_resolve(&conditions, container, err);
        return r == 0 ? mf_conditions_await(&conditions, container, err) : r;
}
