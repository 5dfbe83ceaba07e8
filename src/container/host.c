/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "engine/bus.h"
#include "host/host.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/macro.h"

/* Whether this user can ask systemd for units. */
static int has_systemd(void)
{
        return mf_privilege_is_delegated() ? mf_bus_has_user_manager() : mf_bus_booted();
}

int mf_engine_choose(enum mayfly_engine wanted, const struct mf_engine_type **ret, struct mayfly_error *err)
{
        if (wanted == MAYFLY_ENGINE_DEFAULT) {
                const char *name = secure_getenv("MAYFLY_ENGINE");
                if (!name || !*name)
                        wanted = has_systemd() ? MAYFLY_ENGINE_SYSTEMD : MAYFLY_ENGINE_DIRECT;
                else if (strcmp(name, "systemd") == 0)
                        wanted = MAYFLY_ENGINE_SYSTEMD;
                else if (strcmp(name, "direct") == 0)
                        wanted = MAYFLY_ENGINE_DIRECT;
                else
                        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                        "MAYFLY_ENGINE is \"%.100s\"; set it to \"systemd\" or \"direct\", or unset it",
                                        name);
        }
        if (wanted == MAYFLY_ENGINE_SYSTEMD)
                *ret = &mf_engine_systemd;
        else if (wanted == MAYFLY_ENGINE_DIRECT)
                *ret = &mf_engine_direct;
        else
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "engine %d is none of enum mayfly_engine",
                                (int) wanted);
        return 0;
}

int mf_host_check(const struct mf_engine_type *engine, struct mayfly_error *err)
{
        const struct mf_host host = mf_host_of_caller(engine->id == MAYFLY_ENGINE_SYSTEMD);

        return mf_host_find_missing(&host, err);
}

MF_EXPORT int mayfly_host_check(enum mayfly_engine engine, struct mayfly_error *err)
{
        const struct mf_engine_type *chosen;
        int r = mf_engine_choose(engine, &chosen, err);

        return r < 0 ? r : mf_host_check(chosen, err);
}
