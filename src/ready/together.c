/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "container/container.h"
#include "ready/order.h"
#include "ready/start.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/thread.h"

/* Several starts at the same time, each in a thread of its own. A thread lives until all are ready or one has failed, and then ends
 * its container if it has to. */

enum state { WAITING, READY, FAILED };

struct group;

struct member {
        struct group *group;
        size_t index;
        struct mf_start start;
        struct mayfly_container *container; /* once it is ready */
        enum state state;
        pthread_t thread;
        int has_thread;
        mayfly_progress_fn progress; /* the spec's; ours is in its place */
        void *progress_userdata;
};

struct group {
        struct member *members;
        size_t n;
        struct mf_order order;
        pthread_mutex_t lock;
        pthread_cond_t changed;
        pthread_mutex_t progress_lock; /* the caller's functions are called by one thread at a time */
        int cancel;                    /* eventfd: readable once one has failed */
        int has_failed;
        struct mayfly_error failure; /* the first */
        char message[MAYFLY_ERROR_MESSAGE_MAX];
};

/* --- one member ------------------------------------------------------------------------------------------------- */

/* The name by which messages tell of a container. */
static void show(const struct group *group, size_t i, char *text, size_t size)
{
        const char *name = i < group->order.n ? group->order.names[i] : NULL;

        snprintf(text, size, "container %zu of %zu%s%.100s%s", i + 1, group->n, name ? " (\"" : "", name ? name : "",
                 name ? "\")" : "");
}

/* Notes the first failure and tells all others to end. */
static void fail(struct group *group, size_t i, int code, const struct mayfly_error *why)
{
        char who[160];

        pthread_mutex_lock(&group->lock);
        group->members[i].state = FAILED;
        if (!group->has_failed) {
                group->has_failed = 1;
                show(group, i, who, sizeof(who));
                /* As it is: it may have the end of a log, on lines of its own. */
                snprintf(group->message, sizeof(group->message), "%s: %.*s", who, (int) sizeof(group->message) - 170,
                         why->message);
                mf_error_copy(&group->failure, code, why->stage, group->message);
                (void) eventfd_write(group->cancel, 1);
        }
        pthread_cond_broadcast(&group->changed);
        pthread_mutex_unlock(&group->lock);
}

/* Whether all that it comes after are ready. */
static int may_start(const struct group *group, size_t i)
{
        for (size_t j = 0; j < group->n; j++)
                if (mf_order_is_after(&group->order, i, j) && group->members[j].state != READY)
                        return 0;
        return 1;
}

static int are_all_ready(const struct group *group)
{
        for (size_t i = 0; i < group->n; i++)
                if (group->members[i].state != READY)
                        return 0;
        return 1;
}

/* Waits for its turn. Returns 0 when there will be none. */
static int await_turn(struct group *group, size_t i)
{
        pthread_mutex_lock(&group->lock);
        while (!group->has_failed && !may_start(group, i))
                pthread_cond_wait(&group->changed, &group->lock);
        int has_turn = !group->has_failed;
        pthread_mutex_unlock(&group->lock);
        return has_turn;
}

/* Says that it is ready, and waits for the others. Returns 0 when one has failed. */
static int await_others(struct group *group, size_t i)
{
        pthread_mutex_lock(&group->lock);
        group->members[i].state = READY;
        pthread_cond_broadcast(&group->changed);
        while (!group->has_failed && !are_all_ready(group))
                pthread_cond_wait(&group->changed, &group->lock);
        int is_success = !group->has_failed;
        pthread_mutex_unlock(&group->lock);
        return is_success;
}

static void *run_member(void *argument)
{
        struct member *member = argument;
        struct group *group = member->group;
        mf_cleanup(mf_freep) struct mayfly_error *why = calloc(1, sizeof(*why)); /* not on the stack of a thread */

        if (!why || !await_turn(group, member->index)) {
                if (!why)
                        fail(group, member->index, -ENOMEM, &(struct mayfly_error){ .message = "out of memory" });
                mf_start_clear(&member->start);
                return NULL;
        }
        *why = (struct mayfly_error) MAYFLY_ERROR_INIT;
        int r = mf_start_run(&member->start, group->cancel, &member->container, why);
        if (r < 0)
                fail(group, member->index, r, why);
        else if (!await_others(group, member->index))
                member->container = mayfly_container_free(member->container);
        mf_start_clear(&member->start); /* which ends what has failed */
        return NULL;
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

/* Reports the progress of a fetch to the caller, or ends the fetch. */
static int on_progress(const struct mayfly_progress *progress, void *userdata)
{
        struct member *member = userdata;
        struct group *group = member->group;

        pthread_mutex_lock(&group->lock);
        int r = group->has_failed;
        pthread_mutex_unlock(&group->lock);
        if (r != 0 || !member->progress)
                return r;
        pthread_mutex_lock(&group->progress_lock);
        r = member->progress(progress, member->progress_userdata);
        pthread_mutex_unlock(&group->progress_lock);
        return r;
}

/* Puts our progress function in place of the caller's. */
static void take_progress(struct member *member)
{
        struct mayfly_image_options *options = &member->start.container->image_options;

        member->progress = options->progress;
        member->progress_userdata = options->progress_userdata;
        options->progress = on_progress;
        options->progress_userdata = member;
}

static int prepare(struct group *group, const struct mayfly_spec *const *specs, struct mayfly_error *err)
{
        struct mayfly_error why = MAYFLY_ERROR_INIT;
        char who[160];
        int r = 0;

        for (size_t i = 0; r == 0 && i < group->n; i++) {
                struct member *member = &group->members[i];
                member->group = group;
                member->index = i;
                r = mf_start_prepare(&member->start, specs[i], &why);
                if (r == 0)
                        r = mf_start_refuse_spares(&member->start, &why);
                if (r == 0)
                        take_progress(member);
                if (r == 0)
                        r = mf_order_add(&group->order, member->start.container->spec.name,
                                         member->start.container->spec.after);
                show(group, i, who, sizeof(who));
        }
        if (r < 0)
                return mf_error(err, r, why.code ? why.stage : MAYFLY_STAGE_SPEC, "%s: %s", who,
                                why.code ? why.message : "out of memory");
        return mf_order_check(&group->order, err);
}

static int has_failed(struct group *group)
{
        pthread_mutex_lock(&group->lock);
        int r = group->has_failed;
        pthread_mutex_unlock(&group->lock);
        return r;
}

/* Starts a thread for each, and waits for their ends. */
static void run(struct group *group)
{
        struct mayfly_error why = { .stage = MAYFLY_STAGE_START };

        for (size_t i = 0; i < group->n && !has_failed(group); i++) {
                struct member *member = &group->members[i];
                int r = mf_thread_start(&member->thread, run_member, member);
                member->has_thread = r == 0;
                if (r == 0)
                        continue;
                snprintf(why.message, sizeof(why.message), "a thread for it cannot be made: %s", strerrordesc_np(-r));
                fail(group, i, r, &why);
                break;
        }
        for (size_t i = 0; i < group->n; i++)
                if (group->members[i].has_thread)
                        pthread_join(group->members[i].thread, NULL);
}

static void clear(struct group *group)
{
        for (size_t i = 0; group->members && i < group->n; i++)
                mf_start_clear(&group->members[i].start);
        free(group->members);
        mf_order_clear(&group->order);
        mf_close(group->cancel);
        pthread_mutex_destroy(&group->lock);
        pthread_mutex_destroy(&group->progress_lock);
        pthread_cond_destroy(&group->changed);
}

static int give_failure(const struct group *group, struct mayfly_error *err)
{
        mf_error_copy(err, group->failure.code, group->failure.stage, group->failure.message);
        return group->failure.code;
}

static int start_all(struct group *group, const struct mayfly_spec *const *specs, struct mayfly_container **handles,
                     struct mayfly_error *err)
{
        group->members = calloc(group->n + 1, sizeof(*group->members));
        if (!group->members)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        group->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (group->cancel < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "eventfd");
        int r = prepare(group, specs, err);
        if (r < 0)
                return r;
        run(group);
        if (group->has_failed)
                return give_failure(group, err);
        for (size_t i = 0; i < group->n; i++)
                handles[i] = group->members[i].container;
        return 0;
}

MF_EXPORT int mayfly_containers_start(const struct mayfly_spec *const *specs, size_t n,
                                      struct mayfly_container **handles, struct mayfly_error *err)
{
        if (!specs || !handles || n == 0)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_containers_start() needs specs, and places for as many containers");
        struct group group = { .n = n, .cancel = -1, .failure = MAYFLY_ERROR_INIT };
        pthread_mutex_init(&group.lock, NULL);
        pthread_mutex_init(&group.progress_lock, NULL);
        pthread_cond_init(&group.changed, NULL);
        int r = start_all(&group, specs, handles, err);
        clear(&group);
        return r;
}
