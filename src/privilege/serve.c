/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "privilege/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

int mf_serve_socket(void)
{
        int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 4);
        mf_cleanup(mf_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (socket < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
                return -errno;
        close(3);
        return socket;
}

int mf_serve_join(int userns, struct mayfly_error *err)
{
        if (setns(userns, CLONE_NEWUSER) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the user's namespace cannot be joined");
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "becoming root of the user's namespace failed");
        return 0;
}

void mf_serve_answer(int socket, int r, const struct mf_answer *answer, const struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack pack = { 0 };

        if (r == 0) {
                (void) mf_frame_send(socket, MF_FRAME_RESULT, answer->value, &answer->result, answer->fds,
                                     answer->n_fds);
                return;
        }
        mf_pack_number(&pack, err->stage);
        mf_pack_string(&pack, err->message);
        if (answer->result.bytes.size > 0 &&
            mf_buffer_add(&pack.bytes, answer->result.bytes.data, answer->result.bytes.size) < 0)
                pack.failed = 1;
        (void) mf_frame_send(socket, MF_FRAME_ERROR, r, &pack, NULL, 0);
}
