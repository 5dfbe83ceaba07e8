/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "container/container.h"
#include "engine/bus.h"
#include "util/error.h"
#include "util/macro.h"

#ifndef MF_LIBEXECDIR
#define MF_LIBEXECDIR "/usr/libexec/mayfly"
#define MF_LIBEXEC_FROM_LIB "../libexec/mayfly"
#endif

int mf_engine_choose(enum mayfly_engine wanted, const struct mf_engine_type **ret, struct mayfly_error *err)
{
        if (wanted == MAYFLY_ENGINE_DEFAULT) {
                const char *name = secure_getenv("MAYFLY_ENGINE");
                if (!name || !*name)
                        wanted = mf_bus_booted() ? MAYFLY_ENGINE_SYSTEMD : MAYFLY_ENGINE_DIRECT;
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

/* Looks for the program at its place relative to the library, since both were installed to one prefix. Returns an
 * allocated path, or NULL when it is not there. */
static char *program_beside_library(const char *name)
{
        mf_cleanup(mf_freep) char *path = NULL;
        Dl_info info;

        if (dladdr((void *) (uintptr_t) mayfly_host_check, &info) == 0 || !info.dli_fname || info.dli_fname[0] != '/')
                return NULL;
        const char *slash = strrchr(info.dli_fname, '/');
        if (asprintf(&path, "%.*s/" MF_LIBEXEC_FROM_LIB "/%s", (int) (slash - info.dli_fname), info.dli_fname, name) <
            0) {
                path = NULL;
                return NULL;
        }
        return realpath(path, NULL);
}

int mf_program_path(const char *name, char **ret, struct mayfly_error *err)
{
        const char *directory = secure_getenv("MAYFLY_LIBEXEC");
        int given = directory && *directory;
        mf_cleanup(mf_freep) char *path = given ? NULL : program_beside_library(name);

        if (!path && asprintf(&path, "%s/%s", given ? directory : MF_LIBEXECDIR, name) < 0) {
                path = NULL;
                return mf_error_oom(err, MAYFLY_STAGE_HOST);
        }
        if (path[0] != '/')
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC, "MAYFLY_LIBEXEC is \"%.200s\"; give an absolute path",
                                directory);
        if (access(path, X_OK) < 0)
                return mf_error(
                        err, -ENOEXEC, MAYFLY_STAGE_HOST, /* a broken install, not a host that lacks something */
                        "mayfly's helper program %s cannot be executed: %s; install mayfly to the prefix it was "
                        "configured for, or set MAYFLY_LIBEXEC to the directory that has %s",
                        path, strerrordesc_np(errno), name);
        *ret = mf_take(path);
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

        if (geteuid() != 0)
                return mf_error(err, -EPERM, MAYFLY_STAGE_HOST,
                                "containers need root, and this is user %u; run the tests with sudo",
                                (unsigned) geteuid());
        if (find_nspawn() < 0)
                return mf_error(err, -ENOENT, MAYFLY_STAGE_HOST,
                                "systemd-nspawn is not installed; on Debian: apt-get install systemd-container");
        int r = mf_program_path("mayfly-launch", &launch, err);
        if (r == 0)
                r = mf_program_path("mayfly-init", &init, err);
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
