/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/socket.h>
#include <sched.h>
#include <stdio.h>

#include "network/network.h"
#include "util/error.h"
#include "util/macro.h"

int mf_netlink_enter(int fd, const char *whose, struct mayfly_error *err)
{
        if (setns(fd, CLONE_NEWNET) < 0)
                return mf_error_errno(err, -errno, MAYFLY_STAGE_START, "the network namespace of %s cannot be entered",
                                      whose);
        return 0;
}

struct nl_sock *mf_netlink_open(struct mayfly_error *err)
{
        struct nl_sock *socket = nl_socket_alloc();
        int r = socket ? nl_connect(socket, NETLINK_ROUTE) : -NLE_NOMEM;

        if (r == 0)
                return socket;
        (void) mf_netlink_error(err, r, "a socket of rtnetlink cannot be made");
        nl_socket_free(socket);
        return NULL;
}

void mf_netlink_closep(struct nl_sock **socket)
{
        nl_socket_free(*socket); /* which takes NULL */
}

int mf_netlink_send(struct nl_sock *socket, struct nl_msg *message)
{
        return nl_send_sync(socket, message);
}

int mf_netlink_errno(int error)
{
        static const struct {
                int error, code;
        } codes[] = {
                { NLE_NOMEM, -ENOMEM },        { NLE_EXIST, -EEXIST },
                { NLE_OPNOTSUPP, -ENOTSUP },   { NLE_NODEV, -ENODEV },
                { NLE_OBJ_NOTFOUND, -ENOENT }, { NLE_PERM, -EPERM },
                { NLE_NOACCESS, -EACCES },     { NLE_INVAL, -EINVAL },
                { NLE_BUSY, -EBUSY },          { NLE_AF_NOSUPPORT, -EAFNOSUPPORT },
        };

        for (size_t i = 0; i < MF_ELEMENTSOF(codes); i++)
                if (codes[i].error == -error)
                        return codes[i].code;
        return -EIO;
}

int mf_netlink_error(struct mayfly_error *err, int error, const char *what)
{
        return mf_error(err, mf_netlink_errno(error), MAYFLY_STAGE_START, "a network of containers: %s: %s", what,
                        nl_geterror(error));
}

void mf_port_name(unsigned member, char ret[MF_PORT_NAME_SIZE])
{
        snprintf(ret, MF_PORT_NAME_SIZE, "member%u", member);
}
