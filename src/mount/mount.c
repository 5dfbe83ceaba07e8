/* SPDX-License-Identifier: MIT */
/* mayfly-mount: mounts volumes in containers that run. It has the right to because the library's process is root's, or as root of an
 * ordinary user's own namespace. */
#define _GNU_SOURCE
#include "mount/mount.h"

#include <errno.h>
#include <linux/capability.h>
#include <unistd.h>

#include "files/files.h"
#include "util/error.h"

#define PROGRAM "mayfly-mount"
#define COMMON_FDS 2U /* pidfd of the owner and the working directory, which come with each request */

int mount_enter(const struct mount_call *call, struct mayfly_error *err)
{
        /* To see who uses a volume takes the second. */
        return files_enter(call->fds[0], 1U << CAP_SYS_ADMIN | 1U << CAP_SYS_PTRACE, err);
}

/* Does what the request says. */
static int run(const struct mf_frame *request, struct mount_call *call, struct mayfly_error *err)
{
        call->is_users = geteuid() != 0; /* as mf_privilege_is_delegated() */
        const size_t first = COMMON_FDS + (size_t) call->is_users;

        if (request->n_fds <= first)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, PROGRAM " lacks descriptors");
        call->fds = request->fds + first;
        call->n_fds = request->n_fds - first;
        call->arguments = mf_frame_payload(request);
        int r = call->is_users ? mf_serve_join(request->fds[COMMON_FDS], err) : 0;
        if (r < 0)
                return r;
        if (request->value == MF_OPERATION_VOLUME_ATTACH)
                return mount_attach(call, err);
        if (request->value == MF_OPERATION_VOLUME_DETACH)
                return mount_detach(call, err);
        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                        PROGRAM " knows no operation %d; install the library and its helper programs together",
                        (int) request->value);
}

int main(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mount_call call = { 0 };
        struct mf_frame request;
        int socket = mf_serve_begin(PROGRAM, &request);

        if (socket < 0)
                return 2;
        int r = run(&request, &call, &err);
        return mf_serve_answer(PROGRAM, socket, r, &call.answer, &err) < 0;
}
