/* SPDX-License-Identifier: MIT */
#include "host/check.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/valgrind.h"

#define NEEDED MF_HOST_NEEDED
#define QUICK MF_HOST_QUICK
#define ROOT MF_HOST_OF_ROOT
#define USER MF_HOST_OF_USER
#define BOTH MF_HOST_OF_BOTH
#define SYSTEMD MF_HOST_OF_SYSTEMD
#define KERNEL (BOTH | MF_HOST_OF_KERNEL)

/* In the order in which they are told of: first who this is and where, then what to install, then the kernel, then what
 * only some tests want. Of the quick ones the first that fails is what mayfly_host_check() says. */
/* clang-format off */
const struct mf_host_check mf_host_checks[] = {
        { "container",                 BOTH,                     mf_probe_container },
        { "kernel",                    BOTH,                     mf_probe_kernel },
        { "systemd-nspawn",            ROOT | NEEDED | QUICK,    mf_probe_nspawn },
        { "systemd-nspawn-version",    ROOT,                     mf_probe_nspawn_version },
        { "helper-programs",           BOTH | NEEDED | QUICK,    mf_probe_programs },
        { "libraries",                 BOTH | NEEDED,            mf_probe_libraries },
        { "capabilities",              ROOT | NEEDED | QUICK,    mf_probe_capabilities },
        { "no-new-privileges",         USER | NEEDED | QUICK,    mf_probe_no_new_privileges },
        { "newuidmap",                 USER | NEEDED | QUICK,    mf_probe_newuidmap },
        { "newgidmap",                 USER | NEEDED | QUICK,    mf_probe_newgidmap },
        { "subuid",                    USER | NEEDED | QUICK,    mf_probe_subuid },
        { "subgid",                    USER | NEEDED | QUICK,    mf_probe_subgid },
        { "max_user_namespaces",       BOTH | NEEDED | QUICK,    mf_probe_max_user_namespaces },
        { "unprivileged_userns_clone", USER | NEEDED | QUICK,    mf_probe_userns_clone },
        { "apparmor",                  USER | NEEDED | QUICK,    mf_probe_apparmor },
        { "system-calls",              KERNEL | NEEDED | QUICK,  mf_probe_system_calls },
        { "pidfd",                     BOTH | NEEDED | QUICK,    mf_probe_pidfd },
        { "close_range",               BOTH | NEEDED | QUICK,    mf_probe_close_range },
        { "seccomp",                   KERNEL | NEEDED | QUICK,  mf_probe_seccomp },
        /* Not quick the first time; but the namespace is kept for the containers to come. */
        { "id-map",                    USER | NEEDED | QUICK,    mf_probe_id_map },
        { "user-namespaces",           BOTH | NEEDED,            mf_probe_user_namespaces },
        { "overlay",                   BOTH | NEEDED,            mf_probe_overlay },
        { "idmapped-mounts",           ROOT | NEEDED,            mf_probe_idmapped_mounts },
        { "proc",                      BOTH | NEEDED,            mf_probe_proc },
        { "cgroup2",                   ROOT | NEEDED,            mf_probe_cgroup2 },
        { "cgroup2",                   USER,                     mf_probe_cgroup2 },
        { "controllers",               BOTH,                     mf_probe_controllers },
        { "systemd",                   BOTH | NEEDED | QUICK,    mf_probe_systemd },
        { "machined",                  ROOT | NEEDED | SYSTEMD,  mf_probe_machined },
        { "user-manager",              USER,                     mf_probe_user_manager },
        { "store",                     BOTH | NEEDED,            mf_probe_store },
        { "store-space",               BOTH,                     mf_probe_store_space },
};
/* clang-format on */

const size_t mf_host_n_checks = MF_ELEMENTSOF(mf_host_checks);

struct mf_host mf_host_of_caller(int wants_systemd)
{
        return (struct mf_host){ .is_root = !mf_privilege_is_delegated(), .wants_systemd = wants_systemd };
}

int mf_host_run(const struct mf_host_check *check, const struct mf_host *host, struct mf_host_finding *ret)
{
        if (!(check->flags & (host->is_root ? MF_HOST_OF_ROOT : MF_HOST_OF_USER)))
                return 0;
        if ((check->flags & MF_HOST_OF_SYSTEMD) && !host->wants_systemd)
                return 0;
        /* mayfly's programs, which are executed, are outside of valgrind. */
        if ((check->flags & MF_HOST_OF_KERNEL) && mf_under_valgrind())
                mf_host_ok(ret, "not tried, because valgrind answers in place of the kernel");
        else
                check->probe(host, ret);
        if (ret->status == MF_HOST_MISSING && !(check->flags & MF_HOST_NEEDED))
                ret->status = MF_HOST_WARNING;
        return 1;
}

int mf_host_find_missing(const struct mf_host *host, struct mayfly_error *err)
{
        struct mf_host_finding finding;

        for (size_t i = 0; i < mf_host_n_checks; i++) {
                const struct mf_host_check *check = &mf_host_checks[i];
                if (!(check->flags & MF_HOST_QUICK) || !mf_host_run(check, host, &finding) ||
                    finding.status != MF_HOST_MISSING)
                        continue;
                return mf_error(err, finding.code, finding.stage,
                                "%s; %s (mayfly doctor lists all that containers need)", finding.message,
                                finding.remedy);
        }
        return 0;
}
