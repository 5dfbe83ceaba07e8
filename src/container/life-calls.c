/* SPDX-License-Identifier: MIT */
#include "container/life-calls.h"

#include <errno.h>
#include <mayfly/life.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"

/* Calls it without the lock of the container, so that other threads can work for it. */
static int call(struct mayfly_container *container, mayfly_life_fn function, const char *name, enum mayfly_stage stage,
                struct mayfly_error *err)
{
        if (!function)
                return 0;
        const int had_lock = mf_anchor_pause(container->anchor);
        int r = function(container, container->spec.life_userdata);
        mf_anchor_resume(container->anchor, had_lock);
        if (r == 0)
                return 0;
        if (r > 0 || r < -4095)
                return mf_error(err, -EINVAL, stage,
                                "%s of the spec of container %s returned %d; it must return 0 or a negative errno",
                                name, container->machine, r);
        return mf_error_errno(err, r, stage, "%s of the spec of container %s returned %d", name, container->machine, r);
}

int mf_call_before_start(struct mayfly_container *container, struct mayfly_error *err)
{
        return call(container, container->spec.before_start, "before_start", MAYFLY_STAGE_START, err);
}

int mf_call_on_ready(struct mayfly_container *container, struct mayfly_error *err)
{
        int r = call(container, container->spec.on_ready, "on_ready", MAYFLY_STAGE_START, err);

        container->is_up = r == 0;
        return r;
}

int mf_call_before_stop(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container->is_up || container->owner != getpid())
                return 0;
        container->is_up = 0;
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (container->control < 0 || container->reports.app == MF_APP_ENDED)
                return 0;
        if (container->is_paused)
                (void) mayfly_container_resume(container, NULL);
        return call(container, container->spec.before_stop, "before_stop", MAYFLY_STAGE_STOP, err);
}

int mf_call_result(int r, int called, const struct mayfly_error *why, struct mayfly_error *err)
{
        if (r < 0 || called == 0)
                return r;
        mf_error_copy(err, called, why->stage, why->message);
        return called;
}
