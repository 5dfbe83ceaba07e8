/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "container/container.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/options.h"

/* What a handle knows without asking anybody. */

MF_EXPORT const char *mayfly_container_name(const struct mayfly_container *container)
{
        return container ? container->machine : NULL;
}

MF_EXPORT enum mayfly_engine mayfly_container_engine(const struct mayfly_container *container)
{
        return container ? container->engine_type->id : MAYFLY_ENGINE_DEFAULT;
}

MF_EXPORT pid_t mayfly_container_leader(const struct mayfly_container *container)
{
        return container ? container->leader : 0;
}

MF_EXPORT int mayfly_container_timings(const struct mayfly_container *container, struct mayfly_timings *ret,
                                       struct mayfly_error *err)
{
        static const struct mf_option_kind kind =
                MF_OPTION_KIND("the timings to fill", "MAYFLY_TIMINGS_INIT", struct mayfly_timings, stop_us);

        if (!container || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_timings() needs a container and a place for its result");
        int r = mf_result_check(ret, &kind, err);
        if (r == 0)
                mf_result_give(ret, &container->timings, &kind);
        return r;
}

MF_EXPORT const struct mayfly_isolator *const *mayfly_container_isolators(const struct mayfly_container *container)
{
        static const struct mf_isolators none;

        return mf_isolators_list(container ? &container->isolators : &none);
}
