/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "protocol/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int mf_message_send(int fd, const struct mf_message *message, const int *fds, size_t n_fds)
{
        union {
                struct cmsghdr align;
                char buffer[CMSG_SPACE(MF_MESSAGE_FDS_MAX * sizeof(int))];
        } control = { .buffer = { 0 } };
        struct mf_message copy = *message;
        struct iovec iov = { .iov_base = &copy, .iov_len = sizeof(copy) };
        struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };

        copy.version = MF_PROTOCOL_VERSION;
        if (n_fds > MF_MESSAGE_FDS_MAX)
                return -EINVAL;
        if (n_fds > 0) {
                header.msg_control = control.buffer;
                header.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
                if (!cmsg)
                        return -EINVAL;
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
        }

        for (;;) {
                if (sendmsg(fd, &header, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

static void take_control(struct msghdr *header, int *fds, size_t *n_fds, pid_t *ret_pid)
{
        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(header); cmsg; cmsg = CMSG_NXTHDR(header, cmsg)) {
                if (cmsg->cmsg_level != SOL_SOCKET)
                        continue;
                if (cmsg->cmsg_type == SCM_CREDENTIALS && ret_pid) {
                        struct ucred credentials;
                        memcpy(&credentials, CMSG_DATA(cmsg), sizeof(credentials));
                        *ret_pid = credentials.pid;
                }
                if (cmsg->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;
                        memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
                        if (fds && *n_fds < MF_MESSAGE_FDS_MAX)
                                fds[(*n_fds)++] = fd;
                        else
                                close(fd);
                }
        }
}

int mf_message_recv(int fd, struct mf_message *ret, int *fds, size_t *ret_n_fds, pid_t *ret_pid, int flags)
{
        union {
                struct cmsghdr align;
                char buffer[CMSG_SPACE(MF_MESSAGE_FDS_MAX * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
        } control = { .buffer = { 0 } };
        struct iovec iov = { .iov_base = ret, .iov_len = sizeof(*ret) };
        struct msghdr header = { .msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = control.buffer,
                                 .msg_controllen = sizeof(control.buffer) };
        size_t n_fds = 0;
        ssize_t n;

        do
                n = recvmsg(fd, &header, flags | MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? 0 : -errno;

        take_control(&header, fds, &n_fds, ret_pid);
        if (ret_n_fds)
                *ret_n_fds = n_fds;
        if (n == 0)
                return 0;
        if (n != (ssize_t) sizeof(*ret) || (header.msg_flags & MSG_TRUNC) || ret->version != MF_PROTOCOL_VERSION) {
                for (size_t i = 0; i < n_fds; i++)
                        close(fds[i]);
                if (ret_n_fds)
                        *ret_n_fds = 0;
                return -EPROTO;
        }
        ret->text[sizeof(ret->text) - 1] = '\0';
        return 1;
}
