/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>

#include "container/container.h"
#include "container/life.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/time.h"
#include "util/timeout.h"

/* The wait for the end of a container's app. */

static const struct mf_option_kind exit_kind =
        MF_OPTION_KIND("the exit to fill", "MAYFLY_EXIT_INIT", struct mayfly_exit, signal);

struct mayfly_exit mf_exit_of(const siginfo_t *end)
{
        int exited = end->si_code == CLD_EXITED;

        return (struct mayfly_exit){ .size = sizeof(struct mayfly_exit),
                                     .exited = exited,
                                     .status = exited ? end->si_status : 0,
                                     .signal = exited ? 0 : end->si_status };
}

int mf_exit_check(const struct mayfly_exit *ret, struct mayfly_error *err)
{
        return mf_result_check(ret, &exit_kind, err);
}

void mf_exit_give(const siginfo_t *end, struct mayfly_exit *ret)
{
        const struct mayfly_exit all = mf_exit_of(end);

        mf_result_give(ret, &all, &exit_kind);
}

MF_EXPORT int mayfly_container_wait(struct mayfly_container *container, unsigned timeout_ms, struct mayfly_exit *ret,
                                    struct mayfly_error *err)
{
        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_wait() needs a container");
        int r = mf_exit_check(ret, err);
        if (r == 0)
                r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        if (!container->reports.expects_app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "container %s runs no app to wait for: %s",
                                container->machine,
                                container->spec.idle ? "idle is set in its spec; unset it"
                                                     : "its image has none; set entrypoint or argv in its spec");

        uint64_t deadline = mf_timeout_end(timeout_ms);
        MF_ANCHOR_GUARD(container->anchor);
        mf_container_receive(container);
        while (container->reports.app != MF_APP_ENDED) {
                r = mf_container_check_unpaused(container, "waiting for the app", err);
                if (r < 0)
                        return r;
                if (container->control < 0)
                        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_STOP, "waiting", err);
                int left = timeout_ms == UINT32_MAX ? -1 : mf_left_ms(deadline);
                if (left == 0)
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_STOP, "the app of %s still runs after %u ms",
                                        container->machine, mf_timeout_ms(timeout_ms));
                r = mf_container_poll(container, NULL, 0, left, err);
                if (r < 0)
                        return r;
        }
        mf_exit_give(&container->reports.app_end, ret);
        return 0;
}
