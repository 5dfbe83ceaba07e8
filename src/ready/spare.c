/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "ready/spare.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "container/container.h"
#include "container/spec-key.h"
#include "ready/pending.h"
#include "ready/room.h"
#include "util/error.h"
#include "util/macro.h"
#include "util/time.h"

/* Spares: containers that are started, one after the other, before somebody asks for them. A spare belongs to this file until it is handed
 * over; its container is then like any other. */

#define ALL_MAX 16U /* spares of this process; the oldest of other specs make room */

struct spare {
        struct spare *next;
        struct mf_buffer key;           /* of its spec */
        struct mayfly_pending *pending; /* its start */
        int is_launched;                /* that has begun */
        uint64_t launch_us;
};

static struct {
        pthread_mutex_t mutex;
        int is_prepared;         /* for fork and exit */
        int is_starting;         /* a spare is */
        struct spare *first;     /* the oldest */
        struct spare *of_parent; /* in a forked child: what it cannot use, for leak checkers to find */
} all = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
        pthread_mutex_lock(&all.mutex);
}

static void unlock(void)
{
        pthread_mutex_unlock(&all.mutex);
}

/* --- one at a time ---------------------------------------------------------------------------------------------- */

/* Begins the start of the oldest spare that waits for it, unless another is starting or memory is short. In locked memory. */
static void launch_next(void)
{
        struct spare *spare = all.first;

        while (spare && spare->is_launched)
                spare = spare->next;
        if (!spare || all.is_starting || !mf_has_room("/proc/meminfo", mf_peak_last()))
                return;
        spare->is_launched = 1;
        spare->launch_us = mf_now_us();
        all.is_starting = mf_pending_launch(spare->pending) == 0;
}

/* Runs in the thread of a start that is over. */
static void on_end(void)
{
        lock();
        all.is_starting = 0;
        launch_next();
        unlock();
}

static struct spare *destroy(struct spare *spare)
{
        mayfly_container_cancel(spare->pending);
        mf_buffer_clear(&spare->key);
        free(spare);
        return NULL;
}

/* --- the program's ends ----------------------------------------------------------------------------------------- */

MF_EXPORT void mayfly_spares_stop(void)
{
        lock();
        struct spare *spares = mf_take(all.first);
        unlock();

        for (const struct spare *spare = spares; spare; spare = spare->next)
                mf_pending_abandon(spare->pending); /* all at the same time */
        while (spares) {
                struct spare *spare = spares;
                spares = spare->next;
                destroy(spare);
        }
}

/* A child of fork(2) has none of the threads, and the mutex as another thread had it. */
static void forget_parent(void)
{
        pthread_mutex_init(&all.mutex, NULL);
        all.of_parent = mf_take(all.first);
        all.is_starting = 0;
}

/* In locked memory. */
static int prepare_for_ends(void)
{
        if (!all.is_prepared)
                all.is_prepared = atexit(mayfly_spares_stop) == 0 && pthread_atfork(NULL, NULL, forget_parent) == 0;
        return all.is_prepared ? 0 : -ENOMEM;
}

/* --- more of them ----------------------------------------------------------------------------------------------- */

static int is_of(const struct spare *spare, const struct mf_buffer *key)
{
        return spare->key.size == key->size && memcmp(spare->key.data, key->data, key->size) == 0;
}

/* Makes a spare, which nobody is told of when it fails: the start that would have got it says what is wrong. */
static struct spare *make(const struct mayfly_spec *given, const struct mf_buffer *key)
{
        mf_cleanup(mf_start_clear) struct mf_start start = { 0 };
        struct spare *spare = calloc(1, sizeof(*spare));

        if (!spare || mf_buffer_add(&spare->key, key->data, key->size) < 0 ||
            mf_start_prepare(&start, given, NULL) < 0) {
                if (spare)
                        mf_buffer_clear(&spare->key);
                free(spare);
                return NULL;
        }
        start.container->image_options.progress = NULL; /* what it is handed may be gone */
        if (mf_pending_make(&spare->pending, &start, on_end, NULL) < 0)
                return destroy(spare);
        return spare;
}

/* Adds a spare. Returns one that had to make room, and is to be destroyed without the lock, or NULL. */
static struct spare *add(struct spare *added)
{
        struct spare **end = &all.first, **oldest = NULL, *removed = NULL;
        unsigned n = 0;

        for (; *end; end = &(*end)->next, n++)
                if (!oldest && !is_of(*end, &added->key))
                        oldest = end;
        *end = added;
        if (n >= ALL_MAX && oldest) {
                removed = *oldest;
                *oldest = removed->next;
        }
        return removed;
}

/* How many more spares of the spec there may be. */
static unsigned missing(const struct mayfly_spec *spec, const struct mf_buffer *key)
{
        unsigned n = 0;

        lock();
        int r = prepare_for_ends();
        for (const struct spare *spare = all.first; spare; spare = spare->next)
                n += (unsigned) is_of(spare, key);
        unlock();
        return r == 0 && n < spec->spare ? spec->spare - n : 0;
}

static void refill(const struct mayfly_spec *spec, const struct mayfly_spec *given, const struct mf_buffer *key)
{
        for (unsigned n = missing(spec, key); n > 0; n--) {
                struct spare *added = make(given, key), *removed = NULL;
                if (!added)
                        return;
                lock();
                removed = add(added);
                unlock();
                if (removed)
                        destroy(removed);
        }
        lock();
        launch_next();
        unlock();
}

/* --- hand-over -------------------------------------------------------------------------------------------------- */

/* Whether the container is as one is that was just started. systemd ends its unit after max_runtime_s. */
static int is_usable(struct mayfly_container *container, uint64_t launch_us)
{
        const uint64_t max_age_us = (uint64_t) container->spec.max_runtime_s * 1000000 / 4;

        if (mf_container_poll(container, NULL, 0, 0, NULL) < 0 || container->control < 0 ||
            mf_container_gone(container) || container->leader_fd < 0)
                return 0;
        return mf_now_us() - launch_us < max_age_us &&
               (!container->reports.expects_app || container->reports.app == MF_APP_STARTED);
}

/* Takes the oldest spare of the spec whose start has begun off the list. Returns it, or NULL. */
static struct spare *take(const struct mf_buffer *key)
{
        struct spare **at = &all.first, *taken = NULL;

        lock();
        while (*at && !((*at)->is_launched && is_of(*at, key)))
                at = &(*at)->next;
        if (*at) {
                taken = *at;
                *at = taken->next;
        }
        unlock();
        return taken;
}

/* Returns a container of a spare, or NULL when there is none that can be used. One that is still starting is waited for. */
static struct mayfly_container *get(const struct mf_buffer *key)
{
        struct mayfly_container *container = NULL;

        for (struct spare *spare; !container && (spare = take(key));) {
                if (mayfly_container_finish(mf_take(spare->pending), &container, NULL) == 0 &&
                    !is_usable(container, spare->launch_us)) {
                        mf_container_abandon(container);
                        container = mayfly_container_free(container);
                }
                destroy(spare);
        }
        return container;
}

int mf_spares_start(struct mf_start *start, const struct mayfly_spec *given, struct mayfly_container **ret,
                    struct mayfly_error *err)
{
        mf_cleanup(mf_buffer_clear) struct mf_buffer key = { 0 };

        if (mf_spec_key(start->container, &key) < 0)
                return mf_error_oom(err, MAYFLY_STAGE_START);
        struct mayfly_container *container = get(&key);
        int r = container ? 0 : mf_start_run(start, -1, &container, err);
        if (r < 0)
                return r;
        mf_peak_note(container);
        refill(&container->spec, given, &key);
        *ret = container;
        return 0;
}
