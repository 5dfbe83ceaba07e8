/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "container/container.h"
#include "engine/bus.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/program-path.h"

int mf_engine_choose(enum mayfly_engine wanted, const struct mf_engine_type **ret, struct mayfly_error *err)
{
        if (wanted == MAYFLY_ENGINE_DEFAULT) {
                const char *name = secure_getenv("MAYFLY_ENGINE");
                if (!name || !*name)
                        wanted = mf_bus_booted() && !mf_privilege_is_delegated() ? MAYFLY_ENGINE_SYSTEMD
                                                                                 : MAYFLY_ENGINE_DIRECT;
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

static int find_nspawn(void)
{
        static const char *const directories[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin" };
        char path[64];

        for (size_t i = 0; i < MF_ELEMENTSOF(directories); i++) {
                strcpy(stpcpy(path, directories[i]), "/systemd-nspawn");
                if (access(path, X_OK) == 0)
                        return 0;
        }
        return -ENOENT;
}

int mf_host_check(const struct mf_engine_type *engine, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *launch = NULL;
        mf_cleanup(mf_freep) char *init = NULL;
        int userns;

        if (!mf_privilege_is_delegated() && find_nspawn() < 0)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_HOST,
                                "systemd-nspawn is not installed; on Debian: apt-get install systemd-container");
        int r = mf_program_path("mayfly-launch", &launch, err);
        if (r == 0)
                r = mf_program_path("mayfly-init", &init, err);
        if (r == 0 && mf_privilege_is_delegated())
                r = mf_userns_get(&userns, err);
        if (r == 0 && engine->id == MAYFLY_ENGINE_SYSTEMD && mf_privilege_is_delegated())
                r = mf_error(
                        err, -ENOTSUP, MAYFLY_STAGE_HOST,
                        "the engine \"systemd\" is for root; choose the engine \"direct\" (MAYFLY_ENGINE=direct, or "
                        "unset it)");
        if (r == 0 && engine->id == MAYFLY_ENGINE_SYSTEMD && !mf_bus_booted())
                r = mf_error(err, -ENOTCONN, MAYFLY_STAGE_HOST,
                             "the engine \"systemd\" needs systemd as PID 1, which did not boot this host; "
                             "choose the engine \"direct\" (MAYFLY_ENGINE=direct, or unset it)");
        return r;
}

MF_EXPORT int mayfly_host_check(enum mayfly_engine engine, struct mayfly_error *err)
{
        const struct mf_engine_type *chosen;
        int r = mf_engine_choose(engine, &chosen, err);

        return r < 0 ? r : mf_host_check(chosen, err);
}
