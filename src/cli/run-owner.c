/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "cli/run.h"
#include "util/time.h"

/* What the first SIGTERM leaves to the command; those after it come soon, and the third ends the container. */
#define PATIENCE_NS 500000000
#define IMPATIENCE_NS 20000000

/* What a thread waits for: one of the two. */
struct cause {
        struct pollfd owner;
        uint64_t deadline_us; /* 0: none */
};

static atomic_int is_late;

static void wait_for(struct cause *cause)
{
        int n;

        do
                n = poll(&cause->owner, 1, cause->deadline_us ? mf_left_ms(cause->deadline_us) : -1);
        while (n < 0 || (n == 0 && mf_left_ms(cause->deadline_us) > 0));
}

/* Sends SIGTERM to this process until it has ended. Before the command runs, the first one ends it. */
static void *follow(void *argument)
{
        struct cause *cause = argument;
        struct timespec pause = { .tv_nsec = PATIENCE_NS };

        wait_for(cause);
        if (cause->deadline_us)
                is_late = 1;
        for (;; pause.tv_nsec = IMPATIENCE_NS) {
                (void) kill(getpid(), SIGTERM);
                (void) nanosleep(&pause, NULL);
        }
        return NULL;
}

/* Starts the thread for a cause that lasts as long as this process. */
static int begin(struct cause *cause, const char *option)
{
        sigset_t all, before;
        pthread_t thread;

        sigfillset(&all); /* they are for the main thread */
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&thread, NULL, follow, cause);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0)
                r = pthread_detach(thread);
        return r == 0 ? TOOL_OK : tool_fail("%s: the thread that waits cannot be started: %s", option, strerror(r));
}

int run_end_with(pid_t pid)
{
        static struct cause cause = { .owner = { .fd = -1, .events = POLLIN } };

        if (pid == 0)
                return TOOL_OK;
        return keeper_open_owner(pid, &cause.owner.fd) == TOOL_OK ? begin(&cause, "--owner-pid") : TOOL_FAILED;
}

int run_end_after(uint64_t limit_us)
{
        static struct cause cause = { .owner = { .fd = -1 } };

        if (limit_us == 0)
                return TOOL_OK;
        cause.deadline_us = mf_now_us() + limit_us;
        return begin(&cause, "--time-limit");
}

int run_is_late(void)
{
        return is_late;
}
