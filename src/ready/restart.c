/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <mayfly/life.h>

#include "container/container.h"
#include "container/snapshot.h"
#include "ready/start.h"
#include "util/error.h"
#include "util/macro.h"

/* Another life of a container: it starts with what it wrote, and is awaited as the first time. */

static int start_again(struct mayfly_container *container,
                       int (*prepare)(struct mayfly_container *container, struct mayfly_error *err),
                       struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(container->anchor);
        mf_cleanup(mf_start_release) struct mf_start start = { .container = container };

        int r = mf_conditions_make(&start.wait, container->spec.wait, err);
        if (r == 0)
                r = prepare(container, err);
        if (r == 0)
                r = mf_start_boot(&start, err);
        if (r < 0)
                (void) mayfly_container_halt(container, NULL);
        return r;
}

MF_EXPORT int mayfly_container_start_again(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_start_again() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r == 0) {
                (void) mf_container_poll(container, NULL, 0, 0, NULL); /* it may have ended by itself */
                r = mf_container_check_halted(container, err);
        }
        return r < 0 ? r : start_again(container, mf_container_revive, err);
}

MF_EXPORT int mayfly_container_restart(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_restart() needs a container");
        int r = mayfly_container_halt(container, err);
        return r < 0 ? r : mayfly_container_start_again(container, err);
}

MF_EXPORT int mayfly_container_reset(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_reset() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r == 0)
                r = mf_container_check_reset(container, err);
        return r < 0 ? r : start_again(container, mf_container_reset, err);
}
