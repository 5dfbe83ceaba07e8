/* SPDX-License-Identifier: MIT */
/* mayfly-helper: does for an ordinary user what needs privilege, as root of the user's own namespace. */
#define _GNU_SOURCE
#include "helper/helper.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"

struct operation {
        int (*run)(struct mf_helper *helper, struct mayfly_error *err);
        int without_namespace; /* short, and so not watched either */
};

static const struct operation operations[] = {
        [MF_OPERATION_NAMESPACE] = { mf_helper_namespace, 1 },
};

int mf_helper_result(const struct mf_helper *helper, int value, const struct mf_pack *payload, const int *fds,
                     size_t n_fds, struct mayfly_error *err)
{
        int r = mf_frame_send(helper->socket, MF_FRAME_RESULT, value, payload, fds, n_fds);

        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "mayfly-helper cannot return its result") : 0;
}

/* --- the end with the owner ----------------------------------------------------------------------------------- */

struct watch {
        int owner, socket;
};

/* Ends this process when its owner ends or hangs up. It leaves what any process leaves that is killed, which the next one
 * removes. */
static void *watch_owner(void *userdata)
{
        const struct watch *watch = userdata;
        struct pollfd fds[] = { { .fd = watch->owner, .events = POLLIN }, { .fd = watch->socket } };

        while (poll(fds, 2, -1) < 0 && errno == EINTR)
                ;
        _exit(1);
}

static int start_watch(const struct mf_helper *helper, struct mayfly_error *err)
{
        static struct watch watch;
        pthread_t thread;
        sigset_t all, old;

        watch = (struct watch){ .owner = helper->request.fds[0], .socket = helper->socket };
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        int r = -pthread_create(&thread, NULL, watch_owner, &watch);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "a thread that watches the owner cannot be made") : 0;
}

/* --- one request ---------------------------------------------------------------------------------------------- */

/* Becomes root of the user's namespace. The process has one thread so far, as setns(2) wants. */
static int join_namespace(int fd, struct mayfly_error *err)
{
        if (setns(fd, CLONE_NEWUSER) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the user's namespace cannot be joined");
        if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "becoming root of the user's namespace failed");
        return 0;
}

static int run(struct mf_helper *helper, struct mayfly_error *err)
{
        const struct mf_frame *request = &helper->request;
        const size_t number = (size_t) request->value;
        size_t n_fds = 2;

        if (number >= MF_ELEMENTSOF(operations) || !operations[number].run)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                                "mayfly-helper knows no operation %d; install the library and its helper programs "
                                "together",
                                (int) request->value);
        n_fds += !operations[number].without_namespace;
        if (request->n_fds < n_fds)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper lacks descriptors");
        if (fchdir(request->fds[1]) < 0) /* relative paths are from where the caller is */
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the caller's directory cannot be entered");
        int r = operations[number].without_namespace ? 0 : join_namespace(request->fds[2], err);
        if (r == 0 && !operations[number].without_namespace)
                r = start_watch(helper, err);
        return r < 0 ? r : operations[number].run(helper, err);
}

static void send_error(const struct mf_helper *helper, const struct mayfly_error *err)
{
        mf_cleanup(mf_pack_clear) struct mf_pack pack = { 0 };

        mf_pack_number(&pack, err->stage);
        mf_pack_string(&pack, err->message);
        (void) mf_frame_send(helper->socket, MF_FRAME_ERROR, err->code, &pack, NULL, 0);
}

int main(void)
{
        struct mf_helper helper = { .socket = STDIN_FILENO };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_frame end;

        if (mf_frame_recv(helper.socket, &helper.request, 0) != 1 || helper.request.type != MF_FRAME_REQUEST) {
                fprintf(stderr, "mayfly-helper is run by the library mayfly only\n");
                return 2;
        }
        close(3); /* where the library heard of this process */
        helper.arguments = mf_frame_payload(&helper.request);
        int r = run(&helper, &err);
        if (r < 0)
                send_error(&helper, &err);
        /* What this process holds open keeps the locks, until the library has what it wants. */
        (void) mf_frame_recv(helper.socket, &end, 0);
        return 0;
}
