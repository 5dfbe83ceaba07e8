/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "init/init.h"

/* The socket of $NOTIFY_SOCKET. An abstract one needs no file system that can be written, works after a chroot(), and is gone
 * with this process. */

#define MESSAGES_MAX 64U

int mf_notify_open(const char *name, int *ret)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        size_t length = strlen(name);
        int one = 1;

        if (name[0] != '@' || length < 2 || length > sizeof(address.sun_path))
                return -EINVAL;
        memcpy(address.sun_path + 1, name + 1, length - 1);
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length);
        if (setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0 ||
            bind(fd, (const struct sockaddr *) &address, size) < 0) {
                int r = -errno;
                close(fd);
                return r;
        }
        *ret = fd;
        return 0;
}

/* Whether one of the lines is this one. */
static int has_line(const char *text, const char *line)
{
        size_t length = strlen(line);

        for (const char *p = text; p; p = strchr(p, '\n'), p += p != NULL)
                if (strncmp(p, line, length) == 0 && (p[length] == '\n' || p[length] == '\0'))
                        return 1;
        return 0;
}

int mf_notify_receive(int fd, pid_t from)
{
        int is_ready = 0;

        /* Bounded, so that a flood cannot keep PID 1 from its other work. */
        for (unsigned i = 0; i < MESSAGES_MAX; i++) {
                union {
                        struct cmsghdr align;
                        char buffer[CMSG_SPACE(
                                sizeof(struct ucred))]; /* no room for descriptors, which are closed then */
                } control = { .buffer = { 0 } };
                char text[4096];
                struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
                struct msghdr header = { .msg_iov = &iov,
                                         .msg_iovlen = 1,
                                         .msg_control = control.buffer,
                                         .msg_controllen = sizeof(control.buffer) };
                struct ucred sender = { 0 };

                ssize_t n = recvmsg(fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
                if (n < 0)
                        break;
                const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);
                if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS)
                        memcpy(&sender, CMSG_DATA(cmsg), sizeof(sender));
                text[n] = '\0';
                /* On the host's network others can send, too. They have no PID here. */
                if (sender.pid > 0 && (!from || sender.pid == from) && has_line(text, "READY=1"))
                        is_ready = 1;
        }
        return is_ready;
}
