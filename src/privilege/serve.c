/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "privilege/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

static int cannot(const char *program, int code, const char *what)
{
        fprintf(stderr, "%s: %s: %s\n", program, what, strerror(-code));
        return code;
}

static int move_socket(void)
{
        int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 4);
        mf_cleanup(mf_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

        if (socket < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
                return -errno;
        close(3);
        return socket;
}

int mf_serve_begin(const char *program, struct mf_frame *ret_request)
{
        int type;
        socklen_t size = sizeof(type);

        if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) < 0) {
                fprintf(stderr, "%s is run by the library mayfly only\n", program);
                return -ENOTSOCK;
        }
        int socket = move_socket();
        if (socket < 0)
                return cannot(program, socket, "its socket cannot be kept");
        int r = mf_frame_recv(socket, ret_request, 0);
        if (r == 1 && ret_request->type != MF_FRAME_REQUEST)
                r = -EPROTO;
        if (r == 0)
                r = -ECONNRESET;
        return r < 0 ? cannot(program, r, "its request cannot be received") : socket;
}

int mf_serve_join(int userns, struct mayfly_error *err)
{
        if (setns(userns, CLONE_NEWUSER) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the user's namespace cannot be joined");
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "becoming root of the user's namespace failed");
        return 0;
}

int mf_serve_answer(const char *program, int socket, int r, const struct mf_answer *answer,
                    const struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack pack = { 0 };

        if (r == 0) {
                r = mf_frame_send(socket, MF_FRAME_RESULT, answer->value, &answer->result, answer->fds, answer->n_fds);
                return r < 0 ? cannot(program, r, "its result cannot be sent") : 0;
        }
        mf_pack_number(&pack, err->stage);
        mf_pack_string(&pack, err->message);
        if (answer->result.bytes.size > 0 &&
            mf_buffer_add(&pack.bytes, answer->result.bytes.data, answer->result.bytes.size) < 0)
                pack.failed = 1;
        r = mf_frame_send(socket, MF_FRAME_ERROR, r, &pack, NULL, 0);
        if (r == 0)
                return 0;
        fprintf(stderr, "%s: %s\n", program, err->message);
        return r;
}

static int run(const char *program, const struct mf_serve_operation *operations, size_t n,
               const struct mf_frame *request, struct mf_serve_call *call, struct mayfly_error *err)
{
        const size_t first = MF_SERVE_FDS + (size_t) call->is_users;

        for (size_t i = 0; i < n; i++) {
                if ((int32_t) operations[i].operation != request->value)
                        continue;
                if (request->n_fds < first + operations[i].n_fds)
                        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "%s lacks descriptors", program);
                call->fds = request->fds + first;
                call->n_fds = request->n_fds - first;
                call->arguments = mf_frame_payload(request);
                int r = call->is_users ? mf_serve_join(request->fds[MF_SERVE_FDS], err) : 0;
                return r < 0 ? r : operations[i].run(call, err);
        }
        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                        "%s knows no operation %d; install the library and its helper programs together", program,
                        (int) request->value);
}

int mf_serve_one(const char *program, const struct mf_serve_operation *operations, size_t n)
{
        struct mf_serve_call call = { .is_users = geteuid() != 0 }; /* as mf_privilege_is_delegated() */
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_frame request;
        int socket = mf_serve_begin(program, &request);

        if (socket < 0)
                return 2;
        int r = run(program, operations, n, &request, &call, &err);
        return mf_serve_answer(program, socket, r, &call.answer, &err) < 0;
}
