/* SPDX-License-Identifier: MIT */
#include "model/capabilities.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "util/error.h"
#include "util/macro.h"
#include "util/nearest.h"

#define BIT(capability) (UINT64_C(1) << (capability))

static const struct {
        const char *name;
        unsigned number;
} capabilities[] = {
        { "CAP_AUDIT_CONTROL", CAP_AUDIT_CONTROL },
        { "CAP_AUDIT_READ", CAP_AUDIT_READ },
        { "CAP_AUDIT_WRITE", CAP_AUDIT_WRITE },
        { "CAP_BLOCK_SUSPEND", CAP_BLOCK_SUSPEND },
        { "CAP_BPF", 39 },
        { "CAP_CHECKPOINT_RESTORE", 40 },
        { "CAP_CHOWN", CAP_CHOWN },
        { "CAP_DAC_OVERRIDE", CAP_DAC_OVERRIDE },
        { "CAP_DAC_READ_SEARCH", CAP_DAC_READ_SEARCH },
        { "CAP_FOWNER", CAP_FOWNER },
        { "CAP_FSETID", CAP_FSETID },
        { "CAP_IPC_LOCK", CAP_IPC_LOCK },
        { "CAP_IPC_OWNER", CAP_IPC_OWNER },
        { "CAP_KILL", CAP_KILL },
        { "CAP_LEASE", CAP_LEASE },
        { "CAP_LINUX_IMMUTABLE", CAP_LINUX_IMMUTABLE },
        { "CAP_MAC_ADMIN", CAP_MAC_ADMIN },
        { "CAP_MAC_OVERRIDE", CAP_MAC_OVERRIDE },
        { "CAP_MKNOD", CAP_MKNOD },
        { "CAP_NET_ADMIN", CAP_NET_ADMIN },
        { "CAP_NET_BIND_SERVICE", CAP_NET_BIND_SERVICE },
        { "CAP_NET_BROADCAST", CAP_NET_BROADCAST },
        { "CAP_NET_RAW", CAP_NET_RAW },
        { "CAP_PERFMON", 38 },
        { "CAP_SETFCAP", CAP_SETFCAP },
        { "CAP_SETGID", CAP_SETGID },
        { "CAP_SETPCAP", CAP_SETPCAP },
        { "CAP_SETUID", CAP_SETUID },
        { "CAP_SYSLOG", CAP_SYSLOG },
        { "CAP_SYS_ADMIN", CAP_SYS_ADMIN },
        { "CAP_SYS_BOOT", CAP_SYS_BOOT },
        { "CAP_SYS_CHROOT", CAP_SYS_CHROOT },
        { "CAP_SYS_MODULE", CAP_SYS_MODULE },
        { "CAP_SYS_NICE", CAP_SYS_NICE },
        { "CAP_SYS_PACCT", CAP_SYS_PACCT },
        { "CAP_SYS_PTRACE", CAP_SYS_PTRACE },
        { "CAP_SYS_RAWIO", CAP_SYS_RAWIO },
        { "CAP_SYS_RESOURCE", CAP_SYS_RESOURCE },
        { "CAP_SYS_TIME", CAP_SYS_TIME },
        { "CAP_SYS_TTY_CONFIG", CAP_SYS_TTY_CONFIG },
        { "CAP_WAKE_ALARM", CAP_WAKE_ALARM },
};

const uint64_t mf_capabilities_default = BIT(CAP_AUDIT_WRITE) | BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) |
                                         BIT(CAP_FSETID) | BIT(CAP_FOWNER) | BIT(CAP_KILL) | BIT(CAP_MKNOD) |
                                         BIT(CAP_NET_RAW) | BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) |
                                         BIT(CAP_SETGID) | BIT(CAP_SETPCAP) | BIT(CAP_SETFCAP) | BIT(CAP_SYS_CHROOT);

/* CAP_SYS_PTRACE also lets a process take the descriptors of PID 1, which has only the control socket. */
const uint64_t mf_capabilities_of_namespace =
        BIT(CAP_SYS_PTRACE) | BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_NICE) | BIT(CAP_LINUX_IMMUTABLE) | BIT(CAP_NET_ADMIN) |
        BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SYS_RESOURCE) | BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) |
        BIT(CAP_SYS_TIME) | BIT(CAP_SYS_BOOT) | BIT(CAP_SYSLOG) | BIT(CAP_SYS_PACCT) | BIT(CAP_MAC_ADMIN) |
        BIT(CAP_MAC_OVERRIDE) | BIT(CAP_AUDIT_CONTROL) | BIT(CAP_AUDIT_READ) | BIT(CAP_BLOCK_SUSPEND) |
        BIT(CAP_WAKE_ALARM) | BIT(38) | BIT(39) | BIT(40);

uint64_t mf_capability_find(const char *name)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(capabilities); i++)
                if (strcmp(capabilities[i].name, name) == 0)
                        return BIT(capabilities[i].number);
        return 0;
}

const char *mf_capability_name(uint64_t set)
{
        unsigned number = (unsigned) __builtin_ctzll(set);

        for (size_t i = 0; i < MF_ELEMENTSOF(capabilities); i++)
                if (capabilities[i].number == number)
                        return capabilities[i].name;
        return "an unknown capability";
}

/* Sets an error that names the nearest capability. Returns -EINVAL. */
static int refuse(const char *name, struct mayfly_error *err)
{
        const char *names[MF_ELEMENTSOF(capabilities) + 1] = { NULL };
        char meant[MF_MEANT_MAX];

        for (size_t i = 0; i < MF_ELEMENTSOF(capabilities); i++)
                names[i] = capabilities[i].name;
        return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "the spec's capabilities have \"%.60s\", which is not a capability%s", name,
                        mf_meant(name, names, 3, "; capabilities(7) lists them", meant));
}

int mf_capabilities_parse(const char *const *names, uint64_t *ret, struct mayfly_error *err)
{
        uint64_t set = 0;

        for (; names && *names; names++) {
                uint64_t bit = mf_capability_find(*names);
                if (!bit)
                        return refuse(*names, err);
                set |= bit;
        }
        *ret = set;
        return 0;
}
