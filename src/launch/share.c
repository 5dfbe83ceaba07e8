/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch/launch.h"
#include "protocol/forward.h"
#include "protocol/message.h"
#include "util/fd.h"

/* Other processes that use the container: each gets channels to mayfly-init and to mayfly-forward of its own, so that it reads no
 * answer of another's. Nothing here waits for these two: one that is full, because the container is paused, gets no more. */

int launch_share_open(struct launch_share *share, int has_janitor)
{
        share->processes[0] = (int) syscall(SYS_pidfd_open, getpid(), 0);
        if (share->processes[0] < 0)
                return launch_error(-errno, "pidfd_open");
        share->n_processes = 1;
        if (has_janitor) {
                share->processes[1] = (int) syscall(SYS_pidfd_open, getppid(), 0);
                share->n_processes += share->processes[1] >= 0; /* it may have been killed already */
        }
        return 0;
}

/* Hands on both sockets. When one of them cannot be, the process sees the end of its channel. */
static void attach(const struct launch_share *share, int channel, int forward)
{
        const struct mf_message attached = { .type = MF_MESSAGE_ATTACHED };
        const struct mf_message new_channel = { .type = MF_MESSAGE_CHANNEL };
        const struct mf_forward_request request = { .type = MF_FORWARD_ATTACH };

        int r = mf_message_try_send(channel, &attached, share->processes, share->n_processes);
        if (r == 0)
                r = mf_forward_request_send(share->forward, &request, &forward, 1);
        if (r == 0)
                (void) mf_message_try_send(share->init, &new_channel, &channel, 1);
}

void launch_share_serve(struct launch_share *share)
{
        struct mf_message message;
        int fds[MF_MESSAGE_FDS_MAX];
        size_t n_fds = 0;

        int r = mf_message_recv(share->socket, &message, fds, &n_fds, NULL, MSG_DONTWAIT);
        if (r == -EAGAIN)
                return;
        if (r > 0 && message.type == MF_MESSAGE_ATTACH && n_fds == 2)
                attach(share, fds[0], fds[1]);
        for (size_t i = 0; i < n_fds; i++)
                close(fds[i]);
        if (r <= 0)
                share->socket = mf_close(share->socket);
}
