/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "util/credentials.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int keep_capabilities(uint32_t kept)
{
        struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
        struct __user_cap_data_struct data[2] = { { .effective = kept, .permitted = kept } };

        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

int mf_credentials_drop(uid_t uid, gid_t gid, uint32_t capabilities)
{
        if (setgroups(0, NULL) < 0 && errno != EPERM)
                return -errno;
        for (int i = 0; i <= CAP_LAST_CAP; i++)
                prctl(PR_CAPBSET_DROP, i, 0, 0, 0); /* an older kernel has fewer */
        if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        int r = keep_capabilities(capabilities);
        /* The change of credentials made it dumpable again. */
        return r == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : r;
}
