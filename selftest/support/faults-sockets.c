/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>

#include "faults.h"

/* Calls that only mayfly-forward has fail. */

WRAP(int, socket, EMFILE, -1, (int domain, int type, int protocol), domain, type, protocol)
WRAP(int, bind, EADDRINUSE, -1, (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
WRAP(int, listen, ENOBUFS, -1, (int fd, int backlog), fd, backlog)
WRAP(int, connect, ENOBUFS, -1, (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
WRAP(int, accept4, ENFILE, -1, (int fd, struct sockaddr *address, socklen_t *size, int flags), fd, address, size, flags)
WRAP(ssize_t, recv, ENOMEM, -1, (int fd, void *data, size_t size, int flags), fd, data, size, flags)
WRAP(ssize_t, send, ENOBUFS, -1, (int fd, const void *data, size_t size, int flags), fd, data, size, flags)
WRAP(int, epoll_create1, EMFILE, -1, (int flags), flags)
WRAP(int, epoll_ctl, ENOSPC, -1, (int fd, int operation, int on, struct epoll_event *event), fd, operation, on, event)
WRAP(int, timerfd_create, EMFILE, -1, (int clock, int flags), clock, flags)
