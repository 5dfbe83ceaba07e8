/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/keeper.h"
#include "cli/run.h"

/* From one request to end to the next, of the three after which it is not for the command to decide. */
#define PATIENCE_NS 250000000

static struct pollfd owner = { .fd = -1, .events = POLLIN };

/* Waits for the owner's end, and then asks this process to end, as somebody does who does not want to wait. */
static void *follow(void *unused)
{
        const struct timespec patience = { .tv_nsec = PATIENCE_NS };

        while (poll(&owner, 1, -1) != 1)
                ;
        for (;;) {
                (void) kill(getpid(), SIGTERM);
                (void) nanosleep(&patience, NULL);
        }
        return unused;
}

int run_follow(pid_t pid)
{
        sigset_t all, before;
        pthread_t thread;

        if (pid == 0)
                return TOOL_OK;
        if (keeper_open_owner(pid, &owner.fd) != TOOL_OK)
                return RUN_FAILED;
        sigfillset(&all); /* they are for the main thread */
        (void) pthread_sigmask(SIG_SETMASK, &all, &before);
        int r = pthread_create(&thread, NULL, follow, NULL);
        (void) pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r == 0) {
                (void) pthread_detach(thread);
                return TOOL_OK;
        }
        (void) tool_fail("--owner-pid: the thread that watches the process cannot be started: %s", strerror(r));
        return RUN_FAILED;
}
