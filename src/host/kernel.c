/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/close_range.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/check.h"
#include "util/macro.h"
#include "util/valgrind.h"

void mf_probe_kernel(const struct mf_host *host, struct mf_host_finding *ret)
{
        struct utsname name;

        (void) host;
        uname(&name);
        mf_host_ok(ret, "%s %s on %s", name.sysname, name.release, name.machine);
}

/* System calls that start no container when they are refused, with arguments that they all find wrong before they do
 * anything. A filter, or a kernel that does not have the call, answers first. */
static const struct {
        const char *name;
        long number;
        long argument[5];
        int root_only;
} calls[] = {
        { "mount", SYS_mount, { 0, 0, 0, 0, 0 }, 0 },
        { "umount2", SYS_umount2, { 0, -1, 0, 0, 0 }, 0 },
        { "unshare", SYS_unshare, { 1, 0, 0, 0, 0 }, 0 },
        { "setns", SYS_setns, { -1, 0, 0, 0, 0 }, 0 },
        { "clone", SYS_clone, { CLONE_NEWUSER | CLONE_FS, 0, 0, 0, 0 }, 0 },
        { "openat2", SYS_openat2, { -1, 0, 0, 0, 0 }, 0 },
        { "pidfd_send_signal", SYS_pidfd_send_signal, { -1, 0, 0, 0, 0 }, 0 },
        { "open_tree", SYS_open_tree, { -1, 0, 0xffffffff, 0, 0 }, 1 },
        { "mount_setattr", SYS_mount_setattr, { -1, 0, 0xffffffff, 0, 0 }, 1 },
};

/* Writes down the names of the calls that answer with one of the errors. Returns how many there are. */
static unsigned list_calls(const struct mf_host *host, int filtered, char *ret, size_t size)
{
        unsigned n = 0;
        size_t used = 0;

        *ret = '\0';
        for (size_t i = 0; i < MF_ELEMENTSOF(calls); i++) {
                const long *a = calls[i].argument;
                if (calls[i].root_only && !host->is_root)
                        continue;
                if (syscall(calls[i].number, a[0], a[1], a[2], a[3], a[4]) >= 0)
                        continue;
                if (filtered ? errno != EPERM && errno != EACCES : errno != ENOSYS)
                        continue;
                int length = snprintf(ret + used, size - used, "%s%s", n++ ? ", " : "", calls[i].name);
                used += length > 0 && (size_t) length < size - used ? (size_t) length : 0;
        }
        return n;
}

void mf_probe_system_calls(const struct mf_host *host, struct mf_host_finding *ret)
{
        char names[256];

        if (list_calls(host, 1, names, sizeof(names)) > 0) {
                const char *outer = mf_host_outer_name();
                mf_host_missing(ret, -EPERM, "the seccomp filter of %s refuses the system calls %s",
                                outer ? outer : "this process", names);
                mf_host_remedy_outer(host, ret,
                                     "start the tests without that filter (SystemCallFilter= of the unit, for one)");
        } else if (list_calls(host, 0, names, sizeof(names)) > 0) {
                mf_host_missing(ret, -ENOSYS, "the system calls %s are not there", names);
                mf_host_remedy(ret, "use Linux 5.19 or later, and where this is a container, a container manager that "
                                    "knows these calls");
        } else {
                mf_host_ok(ret, "no seccomp filter refuses what containers need");
        }
}

/* Says what a call gave that is new enough to be missing; `r` is negative on failure, with errno. */
static void judge(const struct mf_host *host, struct mf_host_finding *ret, long r, const char *call, const char *since)
{
        if (r >= 0) {
                mf_host_ok(ret, "%s works", call);
                return;
        }
        mf_host_missing(ret, -errno, "%s fails: %s", call, strerrordesc_np(errno));
        if (ret->code == -ENOSYS && mf_under_valgrind())
                mf_host_remedy(ret, "use valgrind 3.24 or later: this one does not know the call");
        else if (ret->code == -ENOSYS)
                mf_host_remedy(ret, "use Linux 5.19 or later (%s has it)", since);
        else
                mf_host_remedy_outer(host, ret, "start the tests without the seccomp filter that refuses it");
}

void mf_probe_pidfd(const struct mf_host *host, struct mf_host_finding *ret)
{
        long fd = syscall(SYS_pidfd_open, getpid(), 0);

        judge(host, ret, fd, "pidfd_open", "Linux 5.3");
        if (fd >= 0)
                close((int) fd);
}

void mf_probe_close_range(const struct mf_host *host, struct mf_host_finding *ret)
{
        judge(host, ret, syscall(SYS_close_range, ~0U, ~0U, 0U), "close_range", "Linux 5.9");
}

void mf_probe_seccomp(const struct mf_host *host, struct mf_host_finding *ret)
{
        uint32_t action = SECCOMP_RET_KILL_PROCESS;

        (void) host;
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0) {
                mf_host_ok(ret, "the kernel takes seccomp filters");
                return;
        }
        mf_host_missing(ret, -ENOSYS, "the kernel takes no seccomp filters: %s", strerrordesc_np(errno));
        mf_host_remedy(ret,
                       "use a kernel with CONFIG_SECCOMP_FILTER=y, and no program between that refuses seccomp(2)");
}
