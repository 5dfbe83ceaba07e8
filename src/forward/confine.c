/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "forward-filter.h"
#include "forward/forward.h"
#include "util/credentials.h"

/* What bounds the harm that somebody inside could do who took over this process: the files of the container, no capability but the
 * wanted, and the system calls of the list in `syscalls`. */

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
        int r = mf_credentials_drop(to->uid, to->gid, to->capabilities);
        if (r < 0)
                return forward_say(text, r, "becoming user %u, group %u of the host", to->uid, to->gid);
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0) /* which the change of credentials took away */
                return forward_say(text, -errno, "ending with mayfly-launch");
        if (getppid() != to->parent)
                return forward_say(text, -ESRCH, "mayfly-launch has ended");
        r = load_filter();
        return r < 0 ? forward_say(text, r, "loading the system call filter; the kernel must have SECCOMP_FILTER") : 0;
}
