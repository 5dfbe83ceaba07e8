/* SPDX-License-Identifier: MIT */
/* mayfly-mount: mounts volumes in containers that run. It has the right to because the library's process is root's, or as root of an
 * ordinary user's own namespace. */
#include "mount/mount.h"

#include <linux/capability.h>

#include "files/files.h"
#include "util/macro.h"

int mount_enter(const struct mf_serve_call *call, struct mayfly_error *err)
{
        /* To see who uses a volume takes the second. */
        return files_enter(call->fds[0], 1U << CAP_SYS_ADMIN | 1U << CAP_SYS_PTRACE, err);
}

int main(void)
{
        static const struct mf_serve_operation operations[] = {
                { MF_OPERATION_VOLUME_ATTACH, mount_attach, 1 },
                { MF_OPERATION_VOLUME_DETACH, mount_detach, 1 },
        };

        const int status = mf_serve_one("mayfly-mount", operations, MF_ELEMENTSOF(operations));
        if (status != 0)
                mount_undo();
        return status;
}
