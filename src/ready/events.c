/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "container/container.h"
#include "image/open.h"
#include "ready/condition.h"
#include "util/error.h"

/* Conditions that mayfly-init tells of, and those that the caller decides. */

int mf_condition_need_app(const struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        if (mf_container_runs_app(container))
                return 0;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "the wait is for %s, but container %s runs no app: %s", what,
                        container->machine, container->spec.idle ? "idle is set in its spec" : "its image has none");
}

/* --- the app has said that it is ready ------------------------------------------------------------------------ */

static int notify_check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        (void) condition;
        (void) err;
        snprintf(what, size, "READY=1 from the app");
        return 0;
}

static int notify_resolve(struct mf_condition *condition, const struct mayfly_container *container,
                          struct mayfly_error *err)
{
        (void) condition;
        int r = mf_condition_need_app(container, "READY=1", err);
        if (r < 0 || container->with_notify)
                return r;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "container %s has no NOTIFY_SOCKET, so that its app cannot say READY=1; put "
                        "MAYFLY_WAIT_NOTIFY() into its spec's wait",
                        container->machine);
}

static int notify_look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        (void) condition;
        (void) err;
        return container->reports.notified;
}

static void notify_describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        (void) condition;
        (void) container;
        snprintf(seen, size, "it did not come");
}

const struct mf_condition_type mf_condition_notify = { .check = notify_check,
                                                       .resolve = notify_resolve,
                                                       .look = notify_look,
                                                       .describe = notify_describe,
                                                       .looks_at_the_dead = 1,
                                                       .is_event = 1 };

/* --- the app has exited --------------------------------------------------------------------------------------- */

static int exit_check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        int status = condition->options.exit_status;

        if (status < 0 || status > 255)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "exit_status is %d; it can be 0 to 255", status);
        snprintf(what, size, "exit of the app with status %d", status);
        return 0;
}

static int exit_resolve(struct mf_condition *condition, const struct mayfly_container *container,
                        struct mayfly_error *err)
{
        (void) condition;
        return mf_condition_need_app(container, "the exit of the app", err);
}

static int exit_look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        const siginfo_t *end = &container->reports.app_end;

        (void) err;
        /* Any other end is the death of the container, and the loop explains it. */
        return container->reports.app == MF_APP_ENDED && end->si_code == CLD_EXITED &&
               end->si_status == condition->options.exit_status;
}

static void exit_describe(struct mf_condition *condition, struct mayfly_container *container, char *seen, size_t size)
{
        (void) condition;
        (void) container;
        snprintf(seen, size, "it still runs");
}

const struct mf_condition_type mf_condition_exit = { .check = exit_check,
                                                     .resolve = exit_resolve,
                                                     .look = exit_look,
                                                     .describe = exit_describe,
                                                     .looks_at_the_dead = 1,
                                                     .is_event = 1 };

/* --- the caller's own function -------------------------------------------------------------------------------- */

static int callback_check(struct mf_condition *condition, char *what, size_t size, struct mayfly_error *err)
{
        (void) condition;
        (void) err;
        snprintf(what, size, "callback");
        return 0;
}

static int callback_look(struct mf_condition *condition, struct mayfly_container *container, struct mayfly_error *err)
{
        int r = condition->options.callback(container, condition->options.userdata);

        if (r >= 0)
                return r > 0;
        if (r < -4095)
                r = -EINVAL;
        return mf_error_errno(err, r, MAYFLY_STAGE_WAIT, "it returned %d", r);
}

static void callback_describe(struct mf_condition *condition, struct mayfly_container *container, char *seen,
                              size_t size)
{
        (void) condition;
        (void) container;
        snprintf(seen, size, "it returned 0 each time");
}

const struct mf_condition_type mf_condition_callback = {
        .check = callback_check, .look = callback_look, .describe = callback_describe, .is_slow = 1
};
