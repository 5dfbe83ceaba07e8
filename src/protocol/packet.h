/* SPDX-License-Identifier: MIT */
#ifndef MF_PACKET_H
#define MF_PACKET_H

/* Packets with descriptors (SCM_RIGHTS, unix(7)), of which all protocols here are made. */

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#define MF_PACKET_FDS_MAX 40

/* Sends with MSG_NOSIGNAL and `flags`. Returns 0 or -errno (-EPIPE, -ECONNRESET: the peer is gone). */
int mf_packet_send(int socket, const struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds, int flags);

struct mf_packet {
        size_t n_fds;
        pid_t pid; /* of the sender, by SO_PASSCRED; 0: not known */
        int flags; /* MSG_TRUNC, MSG_CTRUNC, see recvmsg(2) */
};

/* Receives a packet and at most `max` descriptors (close-on-exec, the caller's); more are closed. With `with_pid` there is room for the
 * sender's credentials. Returns the number of bytes, 0 at the end of the stream, or -errno; at the end, too, there may be
 * descriptors. */
ssize_t mf_packet_recv(int socket, const struct iovec *parts, size_t n_parts, int *fds, size_t max, int with_pid,
                       struct mf_packet *ret, int flags);

#endif
