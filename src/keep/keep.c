/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "keep/keep.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/message.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

/* The owner of a container that is kept after its test: mayfly-launch ends the container when this process ends, so it has only to be
 * there. Any signal that ends a process ends both. The other form waits for the end of all users of a directory: see scratch.c. */

#define USAGE                                                   \
        "usage: mayfly-keep --machine NAME --seconds SECONDS\n" \
        "       mayfly-keep --scratch NAME\nThe library mayfly runs it."

int keep_await(int *ret, size_t most, size_t *ret_n)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX], r;
        size_t n = 0;

        do
                r = mf_message_recv(STDIN_FILENO, &message, fds, &n, NULL, 0);
        while (r == -EINTR);
        *ret_n = n < most ? n : most;
        memcpy(ret, fds, *ret_n * sizeof(int));
        if (r <= 0 || message.type != MF_MESSAGE_KEEP || n == 0 || n > most)
                return -EPROTO;
        r = mf_message_send(STDIN_FILENO, &message, NULL, 0);
        mf_close(STDIN_FILENO);
        return r;
}

/* Waits until the container of the pidfd has ended, or the time is over. */
static void await_end(int container, uint64_t deadline_us)
{
        struct pollfd fd = { .fd = container, .events = POLLIN };

        while (mf_left_ms(deadline_us) > 0 && !mf_pidfd_has_ended(container))
                (void) poll(&fd, 1, mf_left_ms(deadline_us));
}

static int keep_container(uint64_t seconds)
{
        const uint64_t deadline_us = mf_now_us() + seconds * 1000000;
        int container = -1;
        size_t n = 0;

        if (keep_await(&container, 1, &n) < 0)
                return EXIT_FAILURE;
        await_end(container, deadline_us);
        return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
        char *end = NULL;

        /* The names are for those who look at the list of processes. */
        if (argc == 3 && strcmp(argv[1], "--scratch") == 0)
                return keep_scratch(argv[2]);
        if (argc == 5 && strcmp(argv[1], "--machine") == 0 && strcmp(argv[3], "--seconds") == 0) {
                const unsigned long seconds = strtoul(argv[4], &end, 10);
                if (seconds > 0 && !*end)
                        return keep_container(seconds);
        }
        fputs(USAGE "\n", stderr);
        return 2;
}
