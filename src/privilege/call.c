/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "privilege/call.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "privilege/raw-start.h"
#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/program-path.h"
#include "util/time.h"
#include "util/timeout.h"

#define LOG_SHOWN 300 /* bytes of what a helper wrote before it died */
#define END_MS 2000U  /* for a helper to end, and then for a signal to end it */

static const char *program_of(const struct mf_call *call)
{
        return call->program ? call->program : "mayfly-helper";
}

/* Executes the helper, with `control` as its end of the socket. Returns 0 or negative errno. */
static int start_helper(struct mf_call_result *result, const struct mf_call *call, int control, int boot_log,
                        struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *program = NULL;

        int r = mf_program_path(program_of(call), &program, err);
        if (r < 0)
                return r;
        char *const argv[] = { program, NULL };
        const struct mf_raw_start start = { .argv = argv, .env = environ, .control = control, .boot_log = boot_log };
        r = mf_raw_start_program(&start, &result->process, &result->reaper);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be started", program) : 0;
}

/* Whether the other side is gone, which is seen by what is read next. */
static int is_hangup(int code)
{
        return code == -EPIPE || code == -ECONNRESET;
}

/* Sends the request with its descriptors. A helper that is gone already says why elsewhere. */
static int send_request(const struct mf_call_result *result, const struct mf_call *call, int namespace,
                        struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int owner = (int) syscall(SYS_pidfd_open, getpid(), 0);
        mf_cleanup(mf_closep) int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fds[MF_CALL_FDS_MAX] = { owner, here };
        size_t n = 2;

        if (owner < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "%s cannot be given a pidfd of this process",
                                      program_of(call));
        if (here < 0) /* a directory that cannot be opened cannot be used either */
                fds[1] = here = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (here < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the directory / cannot be opened");
        if (namespace >= 0)
                fds[n++] = namespace;
        for (size_t i = 0; i < call->n_fds && n < MF_CALL_FDS_MAX; i++)
                fds[n++] = call->fds[i];
        int r = mf_frame_send(result->socket, MF_FRAME_REQUEST, (int32_t) call->operation, call->arguments, fds, n);
        if (r < 0 && !is_hangup(r))
                return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be given its request", program_of(call));
        return 0;
}

/* Sets the error for a helper that ended without a result, with the end of what it wrote. */
static int fail_dead(const struct mf_call *call, int boot_log, struct mayfly_error *err)
{
        char text[LOG_SHOWN + 1];
        off_t size = lseek(boot_log, 0, SEEK_END);
        ssize_t n = pread(boot_log, text, LOG_SHOWN, size > LOG_SHOWN ? size - LOG_SHOWN : 0);

        text[n > 0 ? n : 0] = '\0';
        text[strcspn(text, "\n")] = '\0';
        return mf_error(err, -ECONNRESET, MAYFLY_STAGE_HOST, "%s ended before it had a result%s%s", program_of(call),
                        text[0] ? ": " : "; was it killed?", text);
}

/* Waits for the next frame. The end of the stream is no sure sign: a child that this process happened to fork meanwhile
 * may hold a copy of the other end. Returns 1, 0 when the helper is gone, or negative errno. */
static int await_frame(struct mf_call_result *result, uint64_t deadline_us)
{
        struct pollfd fds[] = { { .fd = result->socket, .events = POLLIN },
                                { .fd = result->process, .events = POLLIN } };

        for (;;) {
                int n = poll(fds, 2, deadline_us ? mf_left_ms(deadline_us) : -1);
                if (n <= 0) {
                        if (n == 0 || errno != EINTR)
                                return n == 0 ? -ETIMEDOUT : -errno;
                        continue;
                }
                int r = mf_frame_recv(result->socket, &result->frame, MSG_DONTWAIT);
                if (r != -EAGAIN)
                        return r;
                if (fds[1].revents)
                        return 0;
        }
}

int mf_call_take_error(const struct mf_frame *frame, const char *program, struct mayfly_error *err)
{
        struct mf_unpack payload = mf_frame_payload(frame);
        enum mayfly_stage stage = (enum mayfly_stage) mf_unpack_number(&payload);
        const char *message = mf_unpack_string(&payload);

        mf_error_copy(err, frame->value < 0 ? frame->value : -EIO, stage, message ? message : program);
        return frame->value < 0 ? frame->value : -EIO;
}

/* Answers which user owns a file. Returns 0 or negative errno, as the next function. */
static int tell_owner(const struct mf_call_result *result)
{
        mf_cleanup(mf_pack_clear) struct mf_pack answer = { 0 };
        struct stat st = { .st_uid = (uid_t) -1 };

        if (result->frame.n_fds > 0)
                (void) fstat(result->frame.fds[0], &st);
        mf_pack_number(&answer, st.st_uid);
        mf_pack_number(&answer, geteuid());
        return mf_frame_send(result->socket, MF_FRAME_ANSWER, 0, &answer, NULL, 0);
}

/* Passes a report on, and the return value of the callback back. */
static int report(const struct mf_call_result *result, const struct mf_call *call)
{
        struct mf_unpack payload = mf_frame_payload(&result->frame);
        int answer = call->report ? call->report(call->userdata, &payload) : 0;

        return mf_frame_send(result->socket, MF_FRAME_ANSWER, answer, NULL, NULL, 0);
}

/* Answers reports until there is a result. Returns 0 or negative errno. */
static int converse(struct mf_call_result *result, const struct mf_call *call, int boot_log, struct mayfly_error *err)
{
        for (;;) {
                int r = await_frame(result, call->deadline_us);
                if (r == 0)
                        return fail_dead(call, boot_log, err);
                if (r == -EPROTO)
                        return mf_error(err, r, MAYFLY_STAGE_HOST,
                                        "%s answered with something that is not mayfly's; install the library and its "
                                        "helper programs together",
                                        program_of(call));
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "the answer of %s cannot be received",
                                              program_of(call));
                if (result->frame.type == MF_FRAME_RESULT)
                        return 0;
                if (result->frame.type == MF_FRAME_ERROR)
                        return mf_call_take_error(&result->frame, program_of(call), err);
                r = result->frame.type == MF_FRAME_OWNER ? tell_owner(result) : report(result, call);
                mf_frame_clear(&result->frame);
                if (r < 0 && !is_hangup(r))
                        return mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be answered", program_of(call));
        }
}

int mf_call(struct mf_call_result *ret, const struct mf_call *call, struct mayfly_error *err)
{
        mf_cleanup(mf_closep) int control = -1;
        mf_cleanup(mf_closep) int boot_log = -1;
        int pair[2], namespace = -1;

        int r = 0;
        if (call->namespace)
        namespace = *call->namespace;
        else if (!call->without_namespace && mf_privilege_is_delegated()) r = mf_userns_get(&namespace, err);
        if (r < 0)
                return r;
        boot_log = memfd_create("mayfly-helper-log", MFD_CLOEXEC);
        if (boot_log < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "a socket for %s cannot be made",
                                      program_of(call));
        ret->socket = pair[0];
        control = pair[1];
        r = start_helper(ret, call, control, boot_log, err);
        close(mf_take_fd(&control));
        if (r == 0)
                r = send_request(ret, call, namespace, err);
        return r < 0 ? r : converse(ret, call, boot_log, err);
}

struct mf_unpack mf_call_payload(const struct mf_call_result *result)
{
        struct mf_unpack payload = mf_frame_payload(&result->frame);

        if (result->frame.type == MF_FRAME_ERROR) {
                (void) mf_unpack_number(&payload);
                (void) mf_unpack_string(&payload);
        }
        return payload;
}

/* Returns whether the process has ended within this time. */
static int await_end(int process, unsigned ms)
{
        uint64_t deadline = mf_timeout_end(ms);
        struct pollfd fd = { .fd = process, .events = POLLIN };
        int n;

        while ((n = poll(&fd, 1, mf_left_ms(deadline))) < 0 && errno == EINTR)
                ;
        return n > 0;
}

/* A helper that was told to end has nothing left to do: one that stays was stopped, or waits for a file system that hangs. In the second
 * case (state D) only the event that it waits for ends it, and with it its namespaces. Returns whether it has ended. */
static int see_end(int process)
{
        if (process < 0 || await_end(process, END_MS))
                return 1;
        mf_pidfd_signal(process, SIGKILL);
        return await_end(process, END_MS);
}

void mf_call_end(struct mf_call_result *result)
{
        if (result->socket >= 0) {
                (void) mf_frame_send(result->socket, MF_FRAME_END, 0, NULL, NULL, 0);
                result->socket = mf_close(result->socket);
        }
        if (see_end(result->process) && result->reaper >= 0) /* which ends with it */
                mf_raw_start_await(result->reaper);
        result->process = mf_close(result->process);
        result->reaper = mf_close(result->reaper);
        mf_frame_clear(&result->frame);
}
