/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/files-client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define PROGRAM "mayfly-files"
#define STALL_MS \
        60000 /* without a byte: a file system in the container, such as a volume of a server, must be hanging */
#define SOCKET_BUFFER (1024 * 1024)

static struct mf_call_result *call_of(struct mayfly_container *container)
{
        return &container->files_client.call;
}

void mf_files_close(struct mayfly_container *container)
{
        struct mf_call_result *call = call_of(container);

        if (container->user == getpid()) {
                mf_call_end(call);
                return;
        }
        call->socket = mf_close(call->socket);
        call->process = mf_close(call->process);
        call->reaper = mf_close(call->reaper);
        mf_frame_clear(&call->frame);
}

void mf_files_kill(struct mayfly_container *container)
{
        mf_pidfd_signal(call_of(container)->process, SIGKILL);
}

/* Ends a process that may be waiting for a file system. */
static void kill_process(struct mayfly_container *container)
{
        mf_files_kill(container);
        mf_files_close(container);
}

/* Whether there is a process that keeps the files of a dead container. */
static int is_kept(struct mayfly_container *container)
{
        return container->spec.keep_files && call_of(container)->socket >= 0;
}

/* Returns 0 unless the container has died and its files with it. */
static int check_alive(struct mayfly_container *container, struct mayfly_error *err)
{
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if ((container->control >= 0 && container->leader_fd >= 0) || is_kept(container))
                return 0;
        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_FILES,
                                          container->spec.keep_files
                                                  ? "using its files"
                                                  : "using its files, which keep_files in its spec would have kept",
                                          err);
}

/* When to give up, unless something comes. */
static uint64_t give_up_us(const struct mayfly_container *container)
{
        uint64_t stall = mf_timeout_end(STALL_MS), deadline = container->files_client.deadline_us;

        return deadline && deadline < stall ? deadline : stall;
}

/* Sets the error for -ETIMEDOUT, with `what` does not go on. Returns that. */
static int explain_stall(const struct mayfly_container *container, const char *what, struct mayfly_error *err)
{
        uint64_t deadline = container->files_client.deadline_us;

        if (deadline && mf_left_ms(deadline) == 0)
                return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_FILES,
                                "the files of its spec were not in container %s within start_timeout_ms = %u; raise "
                                "that, or put less",
                                container->machine, container->spec.start_timeout_ms);
        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_FILES,
                        "%s of container %s does not go on for %u s; does a file system in the container hang?", what,
                        container->machine, mf_timeout_ms(STALL_MS) / 1000);
}

int mf_files_start(struct mayfly_container *container, struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack arguments = { 0 };
        const struct mf_call call = { .program = PROGRAM,
                                      .operation = MF_OPERATION_FILES_ENTER,
                                      .arguments = &arguments,
                                      .namespace = container->userns >= 0 ? &container->userns : NULL,
                                      .fds = &container->leader_fd,
                                      .n_fds = 1,
                                      .deadline_us = give_up_us(container) };
        struct mayfly_error why = MAYFLY_ERROR_INIT;

        int r = check_alive(container, err);
        if (r < 0 || call_of(container)->socket >= 0)
                return r;
        mf_pack_number(&arguments, container->spec.keep_files != 0);
        r = mf_call(call_of(container), &call, &why);
        if (r == 0)
                return 0;
        kill_process(container);
        int dead = check_alive(container, err);
        if (dead < 0)
                return dead;
        if (r == -ETIMEDOUT)
                return explain_stall(container, PROGRAM, err);
        mf_error_copy(err, r, why.stage, why.message);
        return r;
}

static int send_request(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
                        const int *fds, size_t n_fds, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(container->anchor);

        int r = mf_files_start(container, err);
        if (r == 0) {
                r = mf_frame_send(call_of(container)->socket, MF_FRAME_REQUEST, (int32_t) operation, arguments, fds,
                                  n_fds);
                if (r < 0 && check_alive(container, err) == 0)
                        (void) mf_error_errno(err, r, MAYFLY_STAGE_FILES, "asking " PROGRAM);
                if (r < 0)
                        kill_process(container);
        }
        mf_pack_clear(arguments);
        return r;
}

/* Waits for the answer. Without one the process is ended. */
static int await(struct mayfly_container *container, struct mayfly_error *err)
{
        MF_ANCHOR_GUARD(container->anchor);
        struct mf_call_result *call = call_of(container);
        uint64_t deadline = give_up_us(container);
        int r = 0;

        mf_frame_clear(&call->frame);
        while (r == 0) {
                struct pollfd fds[] = { { .fd = call->socket, .events = POLLIN },
                                        { .fd = call->process, .events = POLLIN } };
                r = mf_container_poll(container, fds, 2, mf_left_ms(deadline), err);
                if (r == 0)
                        r = mf_container_check_cancelled(container, err);
                if (r < 0)
                        break;
                r = mf_frame_recv(call->socket, &call->frame, MSG_DONTWAIT);
                if (r == -EAGAIN)
                        r = fds[1].revents ? -ECONNRESET : mf_left_ms(deadline) == 0 ? -ETIMEDOUT : 0;
                else if (r == 0)
                        r = -ECONNRESET;
        }
        if (r > 0)
                return call->frame.type == MF_FRAME_ERROR ? mf_call_take_error(&call->frame, PROGRAM, err) : 0;
        kill_process(container);
        if (check_alive(container, err) < 0)
                return -ESRCH;
        if (r == -ETIMEDOUT)
                return explain_stall(container, PROGRAM, err);
        return mf_error(err, r, MAYFLY_STAGE_FILES, "%s of container %s ended before it had a result; was it killed?",
                        PROGRAM, container->machine);
}

int mf_files_ask(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
                 struct mayfly_error *err)
{
        int r = send_request(container, operation, arguments, NULL, 0, err);

        return r < 0 ? r : await(container, err);
}

struct mf_unpack mf_files_result(const struct mayfly_container *container)
{
        return mf_frame_payload(&container->files_client.call.frame);
}

/* --- streams -------------------------------------------------------------------------------------------------- */

/* For struct mf_stream. The end of the process shows as the stream's. */
static int wait_for(void *userdata, int fd, short events)
{
        struct mayfly_container *container = userdata;
        MF_ANCHOR_GUARD(container->anchor);
        struct pollfd fds[] = { { .fd = fd, .events = events },
                                { .fd = is_kept(container) ? -1 : container->leader_fd, .events = POLLIN },
                                { .fd = call_of(container)->process, .events = POLLIN },
                                { .fd = container->cancel, .events = POLLIN } };

        int left = mf_left_ms(give_up_us(container)), had_lock = mf_anchor_pause(container->anchor);
        int n = left > 0 ? poll(fds, MF_ELEMENTSOF(fds), left) : 0;
        int r = n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
        mf_anchor_resume(container->anchor, had_lock);
        if (r < 0)
                return r;
        if (fds[1].revents || fds[3].revents)
                return fds[1].revents ? -ESRCH : -ECANCELED;
        return fds[0].revents ? 0 : -EPIPE;
}

int mf_files_begin(struct mayfly_container *container, enum mf_operation operation, struct mf_pack *arguments,
                   struct mf_stream *ret, struct mayfly_error *err)
{
        const int size = SOCKET_BUFFER;
        int pair[2];

        *ret = (struct mf_stream){ .fd = -1, .wait = wait_for, .userdata = container };
        if (mf_stream_open(ret) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
                int r = ret->buffer ? -errno : -ENOMEM;
                mf_stream_clear(ret);
                mf_pack_clear(arguments);
                return mf_error_errno(err, r, MAYFLY_STAGE_FILES, "a socket for files cannot be made");
        }
        for (int i = 0; i < 2; i++) /* as much of it as a user may have */
                (void) setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        ret->fd = pair[0];
        int r = send_request(container, operation, arguments, &pair[1], 1, err);
        close(pair[1]);
        if (r < 0) {
                mf_stream_clear(ret);
                ret->fd = mf_close(ret->fd);
        }
        return r;
}

int mf_files_finish(struct mayfly_container *container, struct mf_stream *stream, int r, const struct mayfly_error *why,
                    struct mayfly_error *err)
{
        struct mayfly_error answer = MAYFLY_ERROR_INIT;

        MF_ANCHOR_GUARD(container->anchor);

        (void) shutdown(stream->fd, SHUT_RDWR); /* a child that this process happened to fork may have a copy */
        stream->fd = mf_close(stream->fd);
        mf_stream_clear(stream);
        if (r == -ETIMEDOUT)
                kill_process(container);
        if (check_alive(container, err) < 0) {
                kill_process(container);
                return -ESRCH;
        }
        if (r == -ETIMEDOUT)
                return explain_stall(container, "the copy of files", err);
        int answered = await(container, &answer);
        if (r < 0 && why->code) {
                mf_error_copy(err, r, why->stage, why->message);
                return r;
        }
        if (answered < 0)
                mf_error_copy(err, answered, answer.stage, answer.message);
        else if (r < 0)
                (void) mf_error_errno(err, r, MAYFLY_STAGE_FILES, "the copy was given up");
        return answered < 0 ? answered : r;
}
