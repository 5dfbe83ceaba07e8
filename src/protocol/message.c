/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/message.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/packet.h"

_Static_assert(MF_MESSAGE_FDS_MAX <= MF_PACKET_FDS_MAX, "a packet has room for what a message has");

static int send_message(int fd, const struct mf_message *message, const int *fds, size_t n_fds, int flags)
{
        struct mf_message copy = *message;
        const struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };

        copy.version = MF_PROTOCOL_VERSION;
        return n_fds > MF_MESSAGE_FDS_MAX ? -EINVAL : mf_packet_send(fd, &iov, 1, fds, n_fds, flags);
}

int mf_message_send(int fd, const struct mf_message *message, const int *fds, size_t n_fds)
{
        return send_message(fd, message, fds, n_fds, 0);
}

int mf_message_try_send(int fd, const struct mf_message *message, const int *fds, size_t n_fds)
{
        return send_message(fd, message, fds, n_fds, MSG_DONTWAIT);
}

int mf_message_recv(int fd, struct mf_message *ret, int *fds, size_t *ret_n_fds, pid_t *ret_pid, int flags)
{
        const struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct mf_packet packet;

        ssize_t n = mf_packet_recv(fd, &iov, 1, fds, fds ? MF_MESSAGE_FDS_MAX : 0, 1, &packet, flags);
        if (n < 0)
                return (int) n;
        if (ret_pid && packet.pid)
                *ret_pid = packet.pid;
        if (ret_n_fds)
                *ret_n_fds = packet.n_fds;
        if (n == 0)
                return 0;
        if (n != (ssize_t) sizeof(*ret) || (packet.flags & MSG_TRUNC) || ret->version != MF_PROTOCOL_VERSION) {
                for (size_t i = 0; fds && i < packet.n_fds; i++)
                        close(fds[i]);
                if (ret_n_fds)
                        *ret_n_fds = 0;
                return -EPROTO;
        }
        ret->text[sizeof(ret->text) - 1] = '\0';
        return 1;
}
