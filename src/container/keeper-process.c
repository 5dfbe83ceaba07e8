/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/keeper-process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/look.h"
#include "privilege/raw-start.h"
#include "protocol/message.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/program-path.h"
#include "util/timeout.h"

#define ANSWER_MS 20000U
#define WORDS_MAX 8U

void mf_keeper_clear(struct mf_keeper *keeper)
{
        mf_close(keeper->control);
        mf_close(keeper->process);
        mf_close(keeper->reaper); /* it ends after mayfly-keep, and this program need not wait */
        *keeper = MF_KEEPER_NONE;
}

int mf_keeper_start(struct mf_keeper *ret, const char *const *words, struct mayfly_error *err)
{
        mf_cleanup(mf_freep) char *program = NULL;
        mf_cleanup(mf_closep) int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
        char *argv[WORDS_MAX + 2] = { NULL };
        int pair[2];

        int r = mf_program_path("mayfly-keep", &program, err);
        if (r < 0)
                return r;
        if (nowhere < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "/dev/null, or a socket for %s", program);
        ret->control = pair[0];
        mf_cleanup(mf_closep) int theirs = pair[1];
        argv[0] = program;
        for (size_t i = 0; i < WORDS_MAX && words[i]; i++)
                argv[i + 1] = (char *) (uintptr_t) words[i];
        const struct mf_raw_start request = { .argv = argv, .control = theirs, .boot_log = nowhere };
        r = mf_raw_start_program(&request, &ret->process, &ret->reaper);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "%s cannot be started", program) : 0;
}

int mf_keeper_hand_over(const struct mf_keeper *keeper, const int *fds, size_t n_fds)
{
        struct mf_message message = { .type = MF_MESSAGE_KEEP };
        const uint64_t deadline = mf_timeout_end(ANSWER_MS);

        int r = mf_message_send(keeper->control, &message, fds, n_fds);
        if (r == 0)
                r = mf_await_answer(keeper->control, keeper->process, deadline);
        if (r < 0)
                return r;
        r = mf_message_recv(keeper->control, &message, NULL, NULL, NULL, MSG_DONTWAIT);
        return r > 0 ? 0 : r == 0 || r == -EAGAIN ? -ESRCH : r;
}

int mf_keeper_explain(const struct mf_keeper *keeper, int error, enum mayfly_stage stage, const char *doing,
                      const char *what, struct mayfly_error *err)
{
        /* The socket may tell of the end, in one of two ways, before the pidfd does. */
        if (error == -EPIPE || error == -ESRCH || mf_pidfd_has_ended(keeper->process))
                return mf_error(err, -ESRCH, stage,
                                "%s %s: the program mayfly-keep has ended at once; it was killed, or is not of this "
                                "version of mayfly: install mayfly again, or set MAYFLY_LIBEXEC to the directory of "
                                "this version",
                                doing, what);
        return mf_error_errno(err, error, stage, "%s %s: the program mayfly-keep does not answer", doing, what);
}
