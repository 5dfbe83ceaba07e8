/* SPDX-License-Identifier: MIT */
#include "ready/pending.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"

/* A start in a thread of the library's. The thread has all of it until it ends; then it belongs to who waits for the thread. */

struct mayfly_pending {
        struct mf_start start;
        pid_t owner; /* the process that made it */
        pthread_t thread;
        int has_thread;
        int cancel;              /* eventfd: readable once the start is to be given up */
        int done;                /* eventfd: readable once it is over */
        void (*on_end)(void);    /* or NULL */
        int result;              /* 0 or negative errno */
        struct mayfly_error why; /* when it is negative */
        struct mayfly_container *container;
        mayfly_progress_fn progress; /* the spec's; ours is in its place */
        void *progress_userdata;
};

static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        const struct mayfly_pending *pending = userdata;

        if (mf_container_check_cancelled(pending->start.container, NULL) < 0)
                return 1;
        return pending->progress ? pending->progress(progress, pending->progress_userdata) : 0;
}

/* Puts our progress function in place of the caller's, so that a fetch can be given up. */
static void take_progress(struct mayfly_pending *pending)
{
        struct mayfly_image_options *options = &pending->start.container->image_options;

        pending->progress = options->progress;
        pending->progress_userdata = options->progress_userdata;
        options->progress = on_progress;
        options->progress_userdata = pending;
}

static void *run(void *argument)
{
        struct mayfly_pending *pending = argument;

        pending->result = mf_start_run(&pending->start, pending->cancel, &pending->container, &pending->why);
        if (pending->result == 0)
                pending->container->image_options.progress = NULL; /* that of a pending that is soon gone */
        mf_start_clear(&pending->start);                           /* which ends what has failed */
        if (pending->on_end)
                pending->on_end();
        (void) eventfd_write(pending->done, 1);
        return NULL;
}

static void destroy(struct mayfly_pending *pending)
{
        mf_start_clear(&pending->start);
        mf_close(pending->cancel);
        mf_close(pending->done);
        free(pending);
}

/* Waits for the thread, if there is one. */
static void join(struct mayfly_pending *pending)
{
        if (pending->has_thread)
                pthread_join(pending->thread, NULL);
        pending->has_thread = 0;
}

int mf_pending_make(struct mayfly_pending **ret, struct mf_start *start, void (*on_end)(void), struct mayfly_error *err)
{
        struct mayfly_pending *pending = calloc(1, sizeof(*pending));

        if (!pending) {
                mf_start_clear(start);
                return mf_error_oom(err, MAYFLY_STAGE_START);
        }
        *pending = (struct mayfly_pending){ .start = *start,
                                            .owner = getpid(),
                                            .cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                            .done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                                            .on_end = on_end,
                                            .why = MAYFLY_ERROR_INIT };
        *start = (struct mf_start){ 0 };
        if (pending->cancel < 0 || pending->done < 0) {
                int r = mf_error_errno(err, -errno, MAYFLY_STAGE_START, "eventfd");
                destroy(pending);
                return r;
        }
        take_progress(pending);
        *ret = pending;
        return 0;
}

int mf_pending_launch(struct mayfly_pending *pending)
{
        int r = mf_thread_start(&pending->thread, run, pending);

        pending->has_thread = r == 0;
        if (r < 0) {
                pending->result = mf_error_errno(&pending->why, r, MAYFLY_STAGE_START, "a thread for a start");
                (void) eventfd_write(pending->done, 1);
        }
        return r;
}

MF_EXPORT int mayfly_container_begin(struct mayfly_pending **ret, const struct mayfly_spec *spec,
                                     struct mayfly_error *err)
{
        mf_cleanup(mf_start_clear) struct mf_start start = { 0 };
        struct mayfly_pending *pending = NULL;

        if (!ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_begin() needs a place for its result");
        int r = mf_start_prepare_alone(&start, spec, err);
        if (r == 0)
                r = mf_start_refuse_spares(&start, err);
        if (r == 0) /* now: it takes hold of the networks */
                r = mf_container_check_host(start.container, err);
        if (r == 0)
                r = mf_pending_make(&pending, &start, NULL, err);
        if (!pending)
                return r;
        r = mf_pending_launch(pending);
        if (r < 0) {
                mf_error_copy(err, r, pending->why.stage, pending->why.message);
                destroy(pending);
                return r;
        }
        *ret = pending;
        return 0;
}

MF_EXPORT int mayfly_pending_fd(const struct mayfly_pending *pending)
{
        return pending ? pending->done : -1;
}

MF_EXPORT int mayfly_container_finish(struct mayfly_pending *pending, struct mayfly_container **ret,
                                      struct mayfly_error *err)
{
        if (!pending || !ret)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_finish() needs a start of mayfly_container_begin() and a place for "
                                "its result");
        if (pending->owner != getpid())
                return mf_error(err, -ECHILD, MAYFLY_STAGE_SPEC,
                                "the start belongs to process %d; a forked child (this is %d) cannot finish it",
                                (int) pending->owner, (int) getpid());
        join(pending);
        int r = pending->result;
        if (r == 0)
                *ret = pending->container;
        else
                mf_error_copy(err, r, pending->why.stage, pending->why.message);
        destroy(pending);
        return r;
}

/* Waits for the thread, and lets the container end if one has become ready. */
static void discard_result(struct mayfly_pending *pending)
{
        join(pending);
        if (pending->container)
                mf_container_abandon(pending->container);
}

void mf_pending_abandon(struct mayfly_pending *pending)
{
        (void) eventfd_write(pending->cancel, 1);
        if (poll(&(struct pollfd){ .fd = pending->done, .events = POLLIN }, 1, 0) > 0)
                discard_result(pending);
}

MF_EXPORT struct mayfly_pending *mayfly_container_cancel(struct mayfly_pending *pending)
{
        if (!pending)
                return NULL;
        if (pending->owner != getpid()) { /* the thread, and all that it works on, is the parent's */
                mf_close(pending->cancel);
                mf_close(pending->done);
                free(pending);
                return NULL;
        }
        (void) eventfd_write(pending->cancel, 1);
        discard_result(pending);
        mayfly_container_free(pending->container);
        destroy(pending);
        return NULL;
}
