/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/packet.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
        struct cmsghdr align;
        char buffer[CMSG_SPACE(MF_PACKET_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

int mf_packet_send(int socket, const struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds, int flags)
{
        union control control = { .buffer = { 0 } };
        struct msghdr header = { .msg_iov = (struct iovec *) (uintptr_t) parts, .msg_iovlen = n_parts };

        if (n_fds > MF_PACKET_FDS_MAX)
                return -EINVAL;
        if (n_fds > 0) {
                header.msg_control = control.buffer;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                control.align.cmsg_level = SOL_SOCKET;
                control.align.cmsg_type = SCM_RIGHTS;
                control.align.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(&control.align), fds, n_fds * sizeof(int));
        }
        for (;;) {
                if (sendmsg(socket, &header, MSG_NOSIGNAL | flags) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static void take_descriptors(const struct cmsghdr *cmsg, int *fds, size_t max, struct mf_packet *ret)
{
        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
                int fd;
                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
                if (ret->n_fds < max)
                        fds[ret->n_fds++] = fd;
                else
                        close(fd);
        }
}

static void take_control(struct msghdr *header, int *fds, size_t max, struct mf_packet *ret)
{
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
                struct ucred credentials;
                if (cmsg->cmsg_level != SOL_SOCKET)
                        continue;
                if (cmsg->cmsg_type == SCM_RIGHTS)
                        take_descriptors(cmsg, fds, max, ret);
                if (cmsg->cmsg_type == SCM_CREDENTIALS) {
                        memcpy(&credentials, CMSG_DATA(cmsg), sizeof(credentials));
                        ret->pid = credentials.pid;
                }
        }
}

ssize_t mf_packet_recv(int socket, const struct iovec *parts, size_t n_parts, int *fds, size_t max, int with_pid,
                       struct mf_packet *ret, int flags)
{
        union control control = { .buffer = { 0 } };
        struct msghdr header = { .msg_iov = (struct iovec *) (uintptr_t) parts,
                                 .msg_iovlen = n_parts,
                                 .msg_control = control.buffer,
                                 .msg_controllen = CMSG_SPACE(max * sizeof(int)) +
                                                   (with_pid ? CMSG_SPACE(sizeof(struct ucred)) : 0) };
        ssize_t n;

        *ret = (struct mf_packet){ 0 };
        if (max > MF_PACKET_FDS_MAX)
                return -EINVAL;
        /* A peer that closes its end with something unread resets the connection. The kernel says so once, before it gives out what the
         * peer had sent, and then the end. */
        do
                n = recvmsg(socket, &header, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && (errno == EINTR || errno == ECONNRESET));
        if (n < 0)
                return -errno;
        take_control(&header, fds, max, ret);
        ret->flags = header.msg_flags;
        return n;
}
