/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <signal.h>

#include "container/container.h"
#include "container/life.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/timeout.h"

/* Signals to the app. */

#define TAKE_MS 5000 /* mayfly-init takes a signal at once, unless it has been stopped */

int mf_container_check_app_runs(struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        if (!container->reports.expects_app)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_EXEC, "%s: container %s runs no app", what,
                                container->machine);
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (container->control >= 0 && container->reports.app != MF_APP_ENDED)
                return 0;
        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, what, err);
}

MF_EXPORT int mayfly_container_kill(struct mayfly_container *container, int signal_number, struct mayfly_error *err)
{
        const struct mf_message message = { .type = MF_MESSAGE_SIGNAL, .value = { signal_number } };

        if (!container)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "mayfly_container_kill() needs a container");
        if (signal_number < 1 || signal_number > SIGRTMAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "%d is no signal; give one of signal(7), from 1 to %d",
                                signal_number, SIGRTMAX);
        int r = mf_container_check_use(container, err);
        if (r < 0)
                return r;
        MF_ANCHOR_GUARD(container->anchor);
        r = mf_container_check_app_runs(container, "sending a signal", err);
        if (r == 0)
                r = mf_container_check_unpaused(container, "sending a signal", err);
        if (r < 0)
                return r;
        r = mf_container_send(container, &message, NULL, 0, mf_timeout_end(TAKE_MS));
        if (r == -ETIMEDOUT)
                return mf_error(
                        err, r, MAYFLY_STAGE_EXEC,
                        "sending a signal: container %s did not take it within %u ms; look what keeps its PID 1, "
                        "%d here, with `ps -o stat,wchan,args %d`",
                        container->machine, mf_timeout_ms(TAKE_MS), (int) container->leader, (int) container->leader);
        return r < 0 ? mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_EXEC, "sending a signal", err) : 0;
}
