/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "init.h"
#include "syscall-filter.h"

/* appc spec, "os/linux/capabilities-retain-set": the 14 of its default. nspawn grants more, which loading the filter
 * needs (CAP_SYS_ADMIN) and nothing after it does. */
static const unsigned kept[] = {
        CAP_AUDIT_WRITE, CAP_CHOWN,   CAP_DAC_OVERRIDE, CAP_FSETID,           CAP_FOWNER,
        CAP_KILL,        CAP_MKNOD,   CAP_NET_RAW,      CAP_NET_BIND_SERVICE, CAP_SETUID,
        CAP_SETGID,      CAP_SETPCAP, CAP_SETFCAP,      CAP_SYS_CHROOT,
};

static int limit_capabilities(void)
{
        uint64_t mask = 0;

        for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
                mask |= UINT64_C(1) << kept[i];
        for (unsigned cap = 0; cap < 64; cap++) {
                if (mask & (UINT64_C(1) << cap))
                        continue;
                int held = prctl(PR_CAPBSET_READ, cap);
                if (held < 0 && errno == EINVAL)
                        break; /* the kernel knows no more of them */
                if (held < 0 || (held && prctl(PR_CAPBSET_DROP, cap) < 0))
                        return -errno;
        }
        (void) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);

        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2];
        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        for (unsigned i = 0; i < 2; i++) {
                data[i].permitted &= (uint32_t) (mask >> (32 * i));
                data[i].effective = data[i].permitted;
                data[i].inheritable = 0;
        }
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int mf_confine(char *text, size_t text_size)
{
        const struct sock_fprog program = {
                .len = (unsigned short) (sizeof(syscall_filter) / sizeof(syscall_filter[0])),
                .filter = (struct sock_filter *) (void *) syscall_filter,
        };
        int r = 0;

        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) {
                r = -errno;
                snprintf(text, text_size, "loading the system call filter: %s; the kernel must have SECCOMP_FILTER",
                         strerrordesc_np(-r));
                return r;
        }
        r = limit_capabilities();
        if (r < 0)
                snprintf(text, text_size, "limiting capabilities: %s", strerrordesc_np(-r));
        return r;
}
