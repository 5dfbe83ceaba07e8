/* SPDX-License-Identifier: MIT */
/* mayfly-helper: does for an ordinary user what needs privilege, as root of the user's own namespace. */
#define _GNU_SOURCE
#include "helper/helper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "privilege/userns.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/owner.h"
#include "util/thread.h"

#define PROGRAM "mayfly-helper"

struct operation {
        int (*run)(struct mf_helper *helper, struct mayfly_error *err);
        int without_namespace; /* short, and so not watched either */
};

static const struct operation operations[] = {
        [MF_OPERATION_NAMESPACE] = { mf_helper_namespace, 1 }, [MF_OPERATION_OPEN] = { mf_helper_open, 0 },
        [MF_OPERATION_VERIFY] = { mf_helper_verify, 0 },       [MF_OPERATION_GC] = { mf_helper_gc, 0 },
        [MF_OPERATION_TMPFS] = { mf_helper_tmpfs, 0 },         [MF_OPERATION_TMPFS_OWN] = { mf_helper_tmpfs_own, 0 },
        [MF_OPERATION_SNAPSHOT] = { mf_helper_snapshot, 0 },
};

/* --- questions to the library --------------------------------------------------------------------------------- */

static pthread_mutex_t asking = PTHREAD_MUTEX_INITIALIZER; /* threads that check signatures ask, too */
static int asking_socket = -1;

/* Sends a question and waits for its answer. Without the library there is nothing left to do. */
static void ask(enum mf_frame_type type, const struct mf_pack *payload, const int *fds, size_t n_fds,
                struct mf_frame *ret)
{
        pthread_mutex_lock(&asking);
        int r = mf_frame_send(asking_socket, type, 0, payload, fds, n_fds);
        if (r == 0)
                r = mf_frame_recv(asking_socket, ret, 0);
        if (r <= 0) {
                dprintf(STDERR_FILENO, PROGRAM ": the library cannot be asked: %s\n",
                        r < 0 ? strerror(-r) : "it is gone");
                _exit(1);
        }
        pthread_mutex_unlock(&asking);
}

int mf_helper_report(const struct mf_pack *report)
{
        struct mf_frame answer = { 0 };

        if (report->failed)
                return 0; /* a report that there is no memory for */
        ask(MF_FRAME_REPORT, report, NULL, 0, &answer);
        int value = answer.value;
        mf_frame_clear(&answer);
        return value;
}

static int ask_owner(int fd, struct mf_owner *ret)
{
        struct mf_frame answer = { 0 };

        ask(MF_FRAME_OWNER, NULL, &fd, 1, &answer);
        struct mf_unpack payload = mf_frame_payload(&answer);
        ret->file = (uid_t) mf_unpack_number(&payload);
        ret->self = (uid_t) mf_unpack_number(&payload);
        mf_frame_clear(&answer);
        return payload.failed ? -EPROTO : 0;
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

        watch = (struct watch){ .owner = helper->request.fds[0], .socket = helper->socket };
        int r = mf_thread_start(&thread, watch_owner, &watch);
        return r < 0 ? mf_error_errno(err, r, MAYFLY_STAGE_HOST, "a thread that watches the owner cannot be made") : 0;
}

/* --- one request ---------------------------------------------------------------------------------------------- */

static int run(struct mf_helper *helper, struct mayfly_error *err)
{
        const struct mf_frame *request = &helper->request;
        const size_t number = (size_t) request->value;
        size_t n_fds = MF_SERVE_FDS;
        int joins = 0;

        if (number >= MF_ELEMENTSOF(operations) || !operations[number].run)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST,
                                "mayfly-helper knows no operation %d; install the library and its helper programs "
                                "together",
                                (int) request->value);
        joins = !operations[number].without_namespace && mf_privilege_is_delegated();
        n_fds += (size_t) joins;
        if (request->n_fds < n_fds)
                return mf_error(err, -EPROTO, MAYFLY_STAGE_HOST, "mayfly-helper lacks descriptors");
        if (fchdir(request->fds[1]) < 0) /* relative paths are from where the caller is */
                return mf_error_errno(err, -errno, MAYFLY_STAGE_HOST, "the caller's directory cannot be entered");
        int r = joins ? mf_serve_join(request->fds[MF_SERVE_FDS], err) : 0;
        if (r == 0 && !operations[number].without_namespace)
                r = start_watch(helper, err);
        return r < 0 ? r : operations[number].run(helper, err);
}

int main(void)
{
        struct mf_helper helper = { 0 };
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mf_frame end;

        helper.socket = mf_serve_begin(PROGRAM, &helper.request);
        if (helper.socket < 0)
                return 2;
        asking_socket = helper.socket;
        mf_owner_ask_with(ask_owner);
        helper.arguments = mf_frame_payload(&helper.request);
        int r = run(&helper, &err);
        if (mf_serve_answer(PROGRAM, helper.socket, r, &helper.answer, &err) < 0)
                return 1;
        /* What this process holds open keeps the locks, until the library has what it wants. */
        (void) mf_frame_recv(helper.socket, &end, 0);
        return 0;
}
