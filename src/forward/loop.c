/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/time.h"

#define EVENTS_MAX 128

static struct {
        int epoll, clock;
        int has_ended, error;
        uint64_t armed_us;           /* when the clock will ring; 0: never */
        struct forward_timer **heap; /* from [1] on; the earliest first */
        size_t n, reserved, allocated;
        struct forward_task *tasks, **last;
} loop = { .epoll = -1, .clock = -1, .last = &loop.tasks };

/* --- timers: a binary heap ------------------------------------------------------------------------------------ */

int forward_timers_reserve(size_t n)
{
        if (loop.reserved + n >= loop.allocated) {
                size_t more = 2 * (loop.reserved + n) + 64;
                struct forward_timer **heap = reallocarray(loop.heap, more, sizeof(*heap));
                if (!heap)
                        return -ENOMEM;
                loop.heap = heap;
                loop.allocated = more;
        }
        loop.reserved += n;
        return 0;
}

void forward_timers_release(size_t n)
{
        loop.reserved -= n;
}

static void put(size_t place, struct forward_timer *timer)
{
        loop.heap[place] = timer;
        timer->place = place;
}

/* Moves a timer towards the front while it is earlier than those before it, then towards the end. */
static void sift(size_t place, struct forward_timer *timer)
{
        for (; place > 1 && loop.heap[place / 2]->when_us > timer->when_us; place /= 2)
                put(place, loop.heap[place / 2]);
        for (size_t child; (child = 2 * place) <= loop.n; place = child) {
                if (child < loop.n && loop.heap[child + 1]->when_us < loop.heap[child]->when_us)
                        child++;
                if (loop.heap[child]->when_us >= timer->when_us)
                        break;
                put(place, loop.heap[child]);
        }
        put(place, timer);
}

void forward_timer_set(struct forward_timer *timer, uint64_t when_us)
{
        timer->when_us = when_us;
        sift(timer->place ? timer->place : ++loop.n, timer);
}

void forward_timer_clear(struct forward_timer *timer)
{
        size_t place = timer->place;

        if (!place)
                return;
        timer->place = 0;
        struct forward_timer *last = loop.heap[loop.n--];
        if (last != timer)
                sift(place, last);
}

/* Lets the clock ring when the first timer is due. It may ring too early, after a timer was cleared: that does no harm. */
static void arm(void)
{
        uint64_t first = loop.n ? loop.heap[1]->when_us : 0;

        if (!first || (loop.armed_us && loop.armed_us <= first))
                return;
        struct itimerspec when = { .it_value = { .tv_sec = (time_t) (first / 1000000U),
                                                 .tv_nsec = (long) (first % 1000000U) * 1000 + 1 } };
        timerfd_settime(loop.clock, TFD_TIMER_ABSTIME, &when, NULL);
        loop.armed_us = first;
}

static void clock_ready(struct forward_source *source, uint32_t events)
{
        uint64_t times, now = mf_now_us();

        (void) source;
        (void) events;
        if (read(loop.clock, &times, sizeof(times)) > 0)
                loop.armed_us = 0;
        while (loop.n && loop.heap[1]->when_us <= now) {
                struct forward_timer *timer = loop.heap[1];
                forward_timer_clear(timer);
                timer->expired(timer);
        }
}

static struct forward_source clock_source = { .ready = clock_ready };

/* --- descriptors ---------------------------------------------------------------------------------------------- */

int forward_watch(int fd, struct forward_source *source, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = source };

        return epoll_ctl(loop.epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void forward_rewatch(int fd, struct forward_source *source, uint32_t events)
{
        struct epoll_event event = { .events = events, .data.ptr = source };

        if (epoll_ctl(loop.epoll, EPOLL_CTL_MOD, fd, &event) < 0)
                forward_loop_fail("waiting for other events", -errno);
}

void forward_unwatch(int fd)
{
        epoll_ctl(loop.epoll, EPOLL_CTL_DEL, fd, NULL);
}

/* --- tasks ---------------------------------------------------------------------------------------------------- */

void forward_later(struct forward_task *task)
{
        if (task->is_queued)
                return;
        task->is_queued = 1;
        task->next = NULL;
        *loop.last = task;
        loop.last = &task->next;
}

/* Runs what is queued now; what that queues comes in the next turn. */
static void run_tasks(void)
{
        struct forward_task *task = loop.tasks;

        loop.tasks = NULL;
        loop.last = &loop.tasks;
        while (task) {
                struct forward_task *next = task->next;
                task->is_queued = 0;
                task->run(task);
                task = next;
        }
}

/* --- the loop ------------------------------------------------------------------------------------------------- */

int forward_loop_init(void)
{
        loop.epoll = epoll_create1(EPOLL_CLOEXEC);
        if (loop.epoll < 0)
                return -errno;
        loop.clock = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (loop.clock < 0)
                return -errno;
        return forward_watch(loop.clock, &clock_source, EPOLLIN);
}

void forward_loop_end(void)
{
        loop.has_ended = 1;
}

void forward_loop_fail(const char *what, int error)
{
        fprintf(stderr, "mayfly-forward: %s: %s\n", what, strerror(-error));
        loop.has_ended = 1;
        loop.error = error;
}

int forward_loop_run(void)
{
        struct epoll_event events[EVENTS_MAX];

        while (!loop.has_ended) {
                arm();
                int n = epoll_wait(loop.epoll, events, EVENTS_MAX, loop.tasks ? 0 : -1);
                if (n < 0 && errno != EINTR)
                        forward_loop_fail("waiting for events", -errno);
                for (int i = 0; i < n; i++) {
                        struct forward_source *source = events[i].data.ptr;
                        source->ready(source, events[i].events);
                }
                run_tasks();
        }
        return loop.error;
}
