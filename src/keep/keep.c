/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
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
 * there. Any signal that ends a process ends both. */

#define USAGE "usage: mayfly-keep --machine NAME --seconds SECONDS, as mayfly_container_keep() calls it"

/* Waits until the container is this process's. Returns a pidfd of the container's PID 1, or -1 when it was not given. */
static int await_container(void)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX], r;
        size_t n = 0;

        do
                r = mf_message_recv(STDIN_FILENO, &message, fds, &n, NULL, 0);
        while (r == -EINTR);
        if (r > 0 && message.type == MF_MESSAGE_KEEP && n == 1 && mf_message_send(STDIN_FILENO, &message, NULL, 0) == 0)
                return fds[0];
        for (size_t i = 0; i < n; i++)
                mf_close(fds[i]);
        return -1;
}

static void await_end(int container, uint64_t deadline_us)
{
        struct pollfd fd = { .fd = container, .events = POLLIN };

        while (mf_left_ms(deadline_us) > 0 && !mf_pidfd_has_ended(container))
                (void) poll(&fd, 1, mf_left_ms(deadline_us));
}

int main(int argc, char **argv)
{
        char *end = NULL;

        /* The name is for those who look at the list of processes. */
        if (argc != 5 || strcmp(argv[1], "--machine") != 0 || strcmp(argv[3], "--seconds") != 0 || !*argv[4] ||
            (errno = 0, strtoul(argv[4], &end, 10)) == 0 || *end || errno != 0) {
                fputs(USAGE "\n", stderr);
                return 2;
        }
        const uint64_t deadline_us = mf_now_us() + strtoul(argv[4], NULL, 10) * 1000000;
        mf_cleanup(mf_closep) int container = await_container();
        mf_close(STDIN_FILENO);
        if (container < 0)
                return EXIT_FAILURE;
        await_end(container, deadline_us);
        return EXIT_SUCCESS;
}
