/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/seccomp.h"

#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

/* Without these an app neither starts nor ends ("os/linux/seccomp-retain-set", note 3). */
static const char *const life_cycle[] = {
        "execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn", "sigreturn"
};

static int add_rules(scmp_filter_ctx ctx, uint32_t action, char *const *names, size_t n, struct mf_isolators *isolators,
                     enum mf_isolator_kind kind)
{
        for (size_t i = 0; i < n; i++) {
                int number = seccomp_syscall_resolve_name(names[i]);
                if (number == __NR_SCMP_ERROR) {
                        char unknown[128];
                        snprintf(unknown, sizeof(unknown), "%.60s is no system call here", names[i]);
                        if (mf_isolators_note(isolators, kind, MAYFLY_ISOLATOR_CHANGED, unknown) < 0)
                                return -ENOMEM;
                        continue;
                }
                int r = seccomp_rule_add(ctx, action, number, 0);
                if (r < 0 && r != -EEXIST)
                        return r;
        }
        return 0;
}

static int build(scmp_filter_ctx ctx, const struct mf_isolation *isolation, uint32_t blocked,
                 struct mf_isolators *isolators)
{
        int retain = isolation->syscalls_mode == MF_SYSCALLS_RETAIN, r = 0;
        enum mf_isolator_kind kind = retain ? MF_ISOLATOR_SYSCALLS_RETAIN : MF_ISOLATOR_SYSCALLS_REMOVE;
        size_t n = 0;

        while (isolation->syscalls[n])
                n++;
        /* A 32-bit program must not get round it. */
        if (seccomp_arch_native() == SCMP_ARCH_X86_64)
                r = seccomp_arch_add(ctx, SCMP_ARCH_X86);
        if (r == 0)
                r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, retain ? blocked : SCMP_ACT_ERRNO(ENOSYS));
        if (r == 0)
                r = add_rules(ctx, retain ? SCMP_ACT_ALLOW : blocked, isolation->syscalls, n, isolators, kind);
        if (r == 0 && retain)
                r = add_rules(ctx, SCMP_ACT_ALLOW, (char *const *) (uintptr_t) life_cycle, MF_ELEMENTSOF(life_cycle),
                              isolators, kind);
        return r;
}

int mf_syscalls_compile(const struct mf_isolation *isolation, struct mf_isolators *isolators, int *ret,
                        struct mayfly_error *err)
{
        uint32_t blocked = isolation->syscalls_errno ? SCMP_ACT_ERRNO((uint32_t) isolation->syscalls_errno)
                                                     : SCMP_ACT_KILL_PROCESS;

        *ret = -1;
        if (isolation->syscalls_mode == MF_SYSCALLS_ALL)
                return 0;
        scmp_filter_ctx ctx = seccomp_init(isolation->syscalls_mode == MF_SYSCALLS_RETAIN ? blocked : SCMP_ACT_ALLOW);
        mf_cleanup(mf_closep) int fd = memfd_create("mayfly-filter", MFD_CLOEXEC);
        int r = !ctx ? -ENOMEM : fd < 0 ? -errno : build(ctx, isolation, blocked, isolators);
        if (r == 0)
                r = seccomp_export_bpf(ctx, fd);
        if (ctx)
                seccomp_release(ctx);
        if (r < 0)
                return mf_error_errno(err, r, MAYFLY_STAGE_START, "the image's system call filter");
        *ret = mf_take_fd(&fd);
        return 0;
}
