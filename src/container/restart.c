/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <mayfly/life.h>

#include "container/container.h"
#include "container/life-calls.h"
#include "container/logs.h"
#include "container/network.h"
#include "util/error.h"
#include "util/macro.h"

/* From one life of a container to the next. Nothing of it is left between them but what descriptors of this process keep: the mount of
 * what it wrote, its IDs, its log and the numbers of its ports. So all of that goes with the process, however that ends. The public
 * functions that start are in src/ready/restart.c. */

MF_EXPORT int mayfly_container_halt(struct mayfly_container *container, struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_halt() needs a container");
        int r = mf_container_check_owner(container, err);
        if (r == 0 && container->scratch < 0 && container->reports.ready && !container->was_stopped)
                return mf_error(
                        err, -ENOTSUP, MAYFLY_STAGE_STOP,
                        "what container %s wrote cannot be kept: mayfly-launch is not allowed open_tree(2) for it; is "
                        "there a filter of system calls around this program?",
                        container->machine);
        if (r < 0)
                return r;
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        const int called = mf_call_before_stop(container, &why);
        r = mf_container_end(container, err);
        if (r == 0)
                mf_membership_rest(container->membership);
        return mf_call_result(r, called, &why, err);
}

int mf_container_check_halted(const struct mayfly_container *container, struct mayfly_error *err)
{
        if (!mf_container_is_down(container))
                return mf_error(err, -EBUSY, MAYFLY_STAGE_START,
                                "container %s runs; call mayfly_container_halt() first, or mayfly_container_restart()",
                                container->machine);
        if (container->scratch >= 0)
                return 0;
        return mf_error(err, -ESRCH, MAYFLY_STAGE_START,
                        "container %s was stopped, and what it wrote is gone; mayfly_container_halt() keeps it",
                        container->machine);
}

int mf_container_revive(struct mayfly_container *container, struct mayfly_error *err)
{
        mf_membership_rest(container->membership);
        int r = mf_container_start_over(container, err);
        if (r < 0)
                return r;
        container->log_begin = mf_log_end(&container->log);
        return mf_ports_bind_again(container, err);
}
