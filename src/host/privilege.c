/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "host/check.h"
#include "util/macro.h"

/* Without any one of these no container starts: each was taken away in turn. */
static const struct {
        const char *name;
        unsigned number;
} needed[] = {
        { "CAP_SYS_ADMIN", CAP_SYS_ADMIN },   { "CAP_SYS_PTRACE", CAP_SYS_PTRACE },
        { "CAP_SYS_CHROOT", CAP_SYS_CHROOT }, { "CAP_MKNOD", CAP_MKNOD },
        { "CAP_CHOWN", CAP_CHOWN },           { "CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE },
        { "CAP_FOWNER", CAP_FOWNER },         { "CAP_SETGID", CAP_SETGID },
        { "CAP_SETUID", CAP_SETUID },
};

void mf_probe_capabilities(const struct mf_host *host, struct mf_host_finding *ret)
{
        uint64_t effective = 0;
        char missing[256] = "", *end = missing;

        int r = mf_host_read_status("CapEff", 16, &effective);
        if (r < 0) {
                mf_host_missing(ret, r, "/proc/self/status cannot be read: %s", strerror(-r));
                mf_host_remedy(ret, "mount proc on /proc");
                return;
        }
        for (size_t i = 0; i < MF_ELEMENTSOF(needed); i++)
                if (!(effective >> needed[i].number & 1))
                        end += snprintf(end, sizeof(missing) - (size_t) (end - missing), "%s%s",
                                        end > missing ? ", " : "", needed[i].name);
        if (!*missing) {
                mf_host_ok(ret, "root has the %zu capabilities that containers need", MF_ELEMENTSOF(needed));
                return;
        }
        const char *outer = mf_host_outer_name();
        mf_host_missing(ret, -EPERM, "root lacks %s%s%s", missing, outer ? " in " : "", outer ? outer : "");
        mf_host_remedy_outer(host, ret,
                             "start the tests with all capabilities (a CapabilityBoundingSet= of the unit, or a "
                             "program as setpriv or capsh, took them away)");
}

void mf_probe_no_new_privileges(const struct mf_host *host, struct mf_host_finding *ret)
{
        (void) host;
        if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) <= 0) {
                mf_host_ok(ret, "programs may gain privileges, as newuidmap must");
                return;
        }
        mf_host_missing(ret, -EPERM,
                        "no_new_privs is set for this process, so newuidmap and newgidmap cannot do their work");
        mf_host_remedy(
                ret,
                mf_host_outer_name()
                        ? "start the container without `--security-opt no-new-privileges`"
                        : "start the tests without it (NoNewPrivileges=no in the unit, no setpriv --no-new-privs)");
}
