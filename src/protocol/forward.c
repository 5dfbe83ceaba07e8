/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/forward.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/packet.h"

static int send_block(int fd, const void *data, size_t size, const int *fds, size_t n_fds, int flags)
{
        const struct iovec iov = { .iov_base = (void *) (uintptr_t) data, .iov_len = size };

        return n_fds > MF_FORWARD_FDS_MAX ? -EINVAL : mf_packet_send(fd, &iov, 1, fds, n_fds, flags);
}

static void close_all(const int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                close(fds[i]);
}

/* Receives at most `size` bytes, and the version that they begin with. Returns how many, 0 at the end of the stream, or
 * -errno; then there are no descriptors. */
static ssize_t recv_block(int fd, void *ret, size_t size, int *fds, size_t *ret_n_fds, int flags)
{
        const struct iovec iov = { .iov_base = ret, .iov_len = size };
        struct mf_packet packet;
        uint32_t version = 0;

        ssize_t n = mf_packet_recv(fd, &iov, 1, fds, MF_FORWARD_FDS_MAX, 0, &packet, flags);
        *ret_n_fds = packet.n_fds;
        if (n < 0)
                return n;
        if (n >= (ssize_t) sizeof(version))
                memcpy(&version, ret, sizeof(version));
        if (n > 0 && !(packet.flags & (MSG_TRUNC | MSG_CTRUNC)) && version == MF_FORWARD_VERSION)
                return n;
        /* Where fewer came than could have, this process had no place for them. */
        int is_full = (packet.flags & MSG_CTRUNC) && *ret_n_fds < MF_FORWARD_FDS_MAX;
        close_all(fds, *ret_n_fds);
        *ret_n_fds = 0;
        return n == 0 ? 0 : is_full ? -EMFILE : -EPROTO;
}

int mf_forward_request_send(int socket, const struct mf_forward_request *request, const int *fds, size_t n_fds)
{
        struct mf_forward_request copy = *request;
        size_t length = strnlen(copy.target.path, sizeof(copy.target.path));

        if (length == sizeof(copy.target.path))
                return -ENAMETOOLONG;
        copy.version = MF_FORWARD_VERSION;
        return send_block(socket, &copy, offsetof(struct mf_forward_request, target.path) + length + 1, fds, n_fds, 0);
}

int mf_forward_request_recv(int socket, struct mf_forward_request *ret, int fds[MF_FORWARD_FDS_MAX], size_t *ret_n_fds,
                            int flags)
{
        const size_t shortest = offsetof(struct mf_forward_request, target.path) + 1;

        memset(ret, 0, sizeof(*ret));
        ssize_t n = recv_block(socket, ret, sizeof(*ret), fds, ret_n_fds, flags);
        if (n <= 0)
                return (int) n;
        if ((size_t) n >= shortest && ((const char *) ret)[n - 1] == '\0')
                return 1;
        close_all(fds, *ret_n_fds);
        *ret_n_fds = 0;
        return -EPROTO;
}

int mf_forward_reply_send(int socket, const struct mf_forward_reply *reply, int fd, int flags)
{
        struct mf_forward_reply copy = *reply;

        copy.version = MF_FORWARD_VERSION;
        return send_block(socket, &copy, sizeof(copy), &fd, fd >= 0, flags);
}

int mf_forward_reply_recv(int socket, struct mf_forward_reply *ret, int *ret_fd, int flags)
{
        int fds[MF_FORWARD_FDS_MAX];
        size_t n_fds;

        ssize_t n = recv_block(socket, ret, sizeof(*ret), fds, &n_fds, flags);
        if (n <= 0)
                return (int) n;
        if (n != (ssize_t) sizeof(*ret) || n_fds > 1) {
                close_all(fds, n_fds);
                return -EPROTO;
        }
        ret->text[sizeof(ret->text) - 1] = '\0';
        *ret_fd = n_fds == 1 ? fds[0] : -1;
        return 1;
}
