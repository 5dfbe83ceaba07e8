/* SPDX-License-Identifier: MIT */
/* mayfly-files: reads and writes the files of a container. */
#define _GNU_SOURCE
#include "files/files.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

#define PROGRAM "mayfly-files"

/* Both are pidfds, whose end is ours. `leader` is -1 where the files are kept without the container. */
static struct {
        int owner, leader;
} watched = { .owner = -1, .leader = -1 };

static const struct {
        enum mf_operation operation;
        int (*run)(struct files_call *call, struct mayfly_error *err);
        size_t n_fds;
} operations[] = {
        { MF_OPERATION_FILES_PUT, files_put, 1 },     { MF_OPERATION_FILES_GET, files_get, 1 },
        { MF_OPERATION_FILES_STAT, files_stat, 0 },   { MF_OPERATION_FILES_LIST, files_list, 0 },
        { MF_OPERATION_FILES_MKDIR, files_mkdir, 0 }, { MF_OPERATION_FILES_REMOVE, files_remove, 0 },
        { MF_OPERATION_FILES_CHMOD, files_chmod, 0 }, { MF_OPERATION_FILES_CHOWN, files_chown, 0 },
};

int files_wait(void *userdata, int fd, short events)
{
        struct pollfd fds[] = { { .fd = fd, .events = events },
                                { .fd = watched.owner, .events = POLLIN },
                                { .fd = watched.leader, .events = POLLIN } };

        (void) userdata;
        if (poll(fds, MF_ELEMENTSOF(fds), -1) < 0)
                return -errno;
        return fds[1].revents ? -ECANCELED : fds[2].revents ? -ESRCH : 0;
}

/* The first request: the container, and the namespace of an ordinary user. */
static int enter(struct mf_frame *request, struct mayfly_error *err)
{
        const size_t joins = geteuid() != 0; /* as mf_privilege_is_delegated() */

        if (request->value != MF_OPERATION_FILES_ENTER || request->n_fds != MF_SERVE_FDS + joins + 1)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, PROGRAM " lacks descriptors");
        watched.owner = mf_frame_take_fd(request, 0);
        watched.leader = mf_frame_take_fd(request, MF_SERVE_FDS + joins);
        struct mf_unpack arguments = mf_frame_payload(request);
        const int keeps = mf_unpack_number(&arguments) != 0;
        int r = joins ? mf_serve_join(request->fds[MF_SERVE_FDS], err) : 0;
        if (r == 0)
                r = files_enter(watched.leader, 0, err);
        if (keeps)
                watched.leader = mf_close(watched.leader);
        return r;
}

/* Does what a later request says. */
static int run(const struct mf_frame *request, struct files_call *call, struct mayfly_error *err)
{
        for (size_t i = 0; i < MF_ELEMENTSOF(operations); i++) {
                if ((int32_t) operations[i].operation != request->value)
                        continue;
                if (request->n_fds != operations[i].n_fds)
                        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, PROGRAM " lacks descriptors");
                call->fds = request->fds;
                call->arguments = mf_frame_payload(request);
                return operations[i].run(call, err);
        }
        return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                        PROGRAM " knows no operation %d; install the library and its helper programs together",
                        (int) request->value);
}

/* Takes one request and answers it. Returns whether there may be another. */
static int serve(int socket)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct files_call call = { 0 };
        struct mf_frame request;

        if (files_wait(NULL, socket, POLLIN) < 0 || mf_frame_recv(socket, &request, 0) != 1)
                return 0;
        int is_request = request.type == MF_FRAME_REQUEST;
        int r = is_request ? run(&request, &call, &err) : 0;
        mf_frame_clear(&request); /* the end of a stream comes before the answer */
        if (is_request)
                r = mf_serve_answer(PROGRAM, socket, r, &call.answer, &err);
        mf_pack_clear(&call.answer.result);
        return is_request && r == 0;
}

int main(void)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        const struct mf_answer answer = { 0 };
        struct mf_frame request;

        prctl(PR_SET_DUMPABLE, 0);
        signal(SIGXFSZ, SIG_IGN); /* a limit of the library's process is an error like others */
        int socket = mf_serve_begin(PROGRAM, &request);
        if (socket < 0)
                return 2;
        int entered = enter(&request, &err);
        mf_frame_clear(&request);
        int r = mf_serve_answer(PROGRAM, socket, entered, &answer, &err);
        while (entered == 0 && r == 0 && serve(socket))
                ;
        return r < 0;
}
