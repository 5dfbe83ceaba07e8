/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forward-filter.h"
#include "forward/forward.h"

/* What bounds the harm that somebody inside could do who took over this process: the files of the container, no capability but the
 * wanted, and the system calls of the list in `syscalls`. */

static int keep_capabilities(uint32_t kept)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { .effective = kept, .permitted = kept } };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become(uid_t uid, gid_t gid, uint32_t capabilities)
{
        /* Where a user namespace may not change its groups, an ordinary user's stay. */
        if (setgroups(0, NULL) < 0 && errno != EPERM)
                return -errno;
        for (int i = 0; i <= CAP_LAST_CAP; i++)
                prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* an older kernel has fewer */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return keep_capabilities(capabilities);
}

static int load_filter(void)
{
        const struct sock_fprog program = {
                .len = (unsigned short) (sizeof(syscall_filter_forward) / sizeof(*syscall_filter_forward)),
                .filter = (struct sock_filter *) (void *) syscall_filter_forward,
        };

        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 ? -errno : 0;
}

int forward_confine(const struct forward_confinement *to, struct forward_text *text)
{
        if (fchdir(to->root) < 0 || chroot(".") < 0)
                return forward_say(text, -errno, "changing to the container's root");
        int r = become(to->uid, to->gid, to->capabilities);
        if (r < 0)
                return forward_say(text, r, "becoming user %u, group %u of the host", to->uid, to->gid);
        /* The change of credentials took away both. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return forward_say(text, -errno, "ending with mayfly-launch");
        if (getppid() != to->parent)
                return forward_say(text, -ESRCH, "mayfly-launch has ended");
        r = load_filter();
        return r < 0 ? forward_say(text, r, "loading the system call filter; the kernel must have SECCOMP_FILTER") : 0;
}
