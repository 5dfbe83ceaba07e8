/* SPDX-License-Identifier: MIT */
#ifndef MF_FORWARD_PROTOCOL_H
#define MF_FORWARD_PROTOCOL_H

/* What the library and mayfly-forward say to each other. mayfly-forward is a child of mayfly-launch, in the network namespace
 * of the container and outside of its other namespaces. mayfly-launch starts it when the library has sent the first request.
 *
 *   forward socket (SOCK_SEQPACKET; the other end is mayfly-forward's standard input)
 *       library -> forward  struct mf_forward_request, with descriptors
 *       forward -> library  one struct mf_forward_reply for each request, in order, with a descriptor where the request asks for one
 *
 *   ENTER        descriptor: pidfd of the container's PID 1. Joins its network namespace, changes to its root, becomes `uid` and
 *                `gid`, drops privileges, and loads a filter of system calls. Until then ports only queue their connections, and the requests below that
 *                need the container get -ENOTCONN. `has_host_ports`: HOST_PORT will follow.
 *   LISTEN       descriptors: one or two listening sockets of the host (UDP: bound sockets). `link` is the number by which the
 *                library names the port later; `target` is where connections go, or packets. May come before ENTER.
 *   HOST_PORT    listens in the container on MF_HOST_ADDRESS, port `target.port`, TCP or UDP, and connects to the host's
 *                127.0.0.1, same port. The only request that needs a process in the network namespace of mayfly-launch. May come before
 *                ENTER, whose reply then has the error if the port cannot be listened on.
 *   FAULTS       what the link does from now on, to open connections too.
 *   SOCKET       makes a socket in the container's network namespace and sends it: `domain`, `socket_type`, `protocol`.
 *   CONNECT      connects to a Unix socket of the container, target.path, and sends the connected socket. -EAGAIN: the
 *                server's queue is full now.
 *   ATTACH       descriptor: a socket over which another process sends requests and gets answers. Has no answer itself.
 *
 * After the end of the stream mayfly-forward exits. */

#include <stddef.h>
#include <stdint.h>

#define MF_FORWARD_VERSION 1U

/* The address of host.mayfly in a container: one of the loopback network, because nothing is routed there. */
#define MF_HOST_ADDRESS "127.77.70.1"

enum mf_forward_type {
        MF_FORWARD_ENTER = 1,
        MF_FORWARD_LISTEN,
        MF_FORWARD_HOST_PORT,
        MF_FORWARD_FAULTS,
        MF_FORWARD_SOCKET,
        MF_FORWARD_CONNECT,
        MF_FORWARD_ATTACH,
};

enum mf_forward_kind { MF_FORWARD_TCP = 1, MF_FORWARD_UDP, MF_FORWARD_UNIX };

#define MF_FORWARD_PATH_MAX 4096

struct mf_forward_target {
        uint32_t kind; /* enum mf_forward_kind; UNIX: a stream socket */
        uint32_t port;
        char path[MF_FORWARD_PATH_MAX]; /* absolute, UNIX only */
};

/* What one direction of a link does. All zero: nothing. */
struct mf_forward_flow {
        uint64_t latency_us;
        uint64_t jitter_us;
        uint64_t bytes_per_s; /* 0: as fast as it can */
        uint64_t cut_after;   /* bytes of a connection after which it is reset; 0: never */
        uint64_t corrupt_at;  /* number of the byte of a connection that is changed, from 1 on; 0: none */
        uint32_t is_stopped;  /* nothing passes; what was sent arrives after it is mended */
        uint32_t reserved;
};

struct mf_forward_faults {
        struct mf_forward_flow up;   /* to the server */
        struct mf_forward_flow down; /* to the client */
        uint64_t slow_close_us;      /* how much later the end of a stream arrives */
        uint32_t refuse;             /* new connections are reset at once */
        uint32_t reset;              /* open connections are reset now */
};

struct mf_forward_request {
        uint32_t version; /* set by mf_forward_request_send() */
        uint32_t type;
        uint32_t link; /* LISTEN, HOST_PORT, FAULTS */
        uint32_t has_host_ports;
        uint32_t uid, gid;                     /* ENTER: of the container's root, as seen by mayfly-launch */
        int32_t domain, socket_type, protocol; /* SOCKET */
        struct mf_forward_faults faults;
        struct mf_forward_target target; /* the last one: only what its path uses is sent */
};

struct mf_forward_reply {
        uint32_t version;
        int32_t error;  /* 0 or negative errno */
        char text[248]; /* what failed, for a human; may be empty */
};

#define MF_FORWARD_FDS_MAX 2

/* Each returns 0, or -errno (-EPIPE, -ECONNRESET: the peer is gone), and raises no SIGPIPE. */
int mf_forward_request_send(int socket, const struct mf_forward_request *request, const int *fds, size_t n_fds);
int mf_forward_reply_send(int socket, const struct mf_forward_reply *reply, int fd, int flags); /* fd -1: none */

/* Each returns 1, 0 at the end of the stream, -EAGAIN, -EPROTO (not ours), or another -errno. `flags` as for recvmsg(2).
 * Descriptors are close-on-exec, and the caller's to close. */
int mf_forward_request_recv(int socket, struct mf_forward_request *ret, int fds[MF_FORWARD_FDS_MAX], size_t *ret_n_fds,
                            int flags);
/* *ret_fd is -1 where the reply has no descriptor. The text ends with a NUL. -EMFILE: the reply has been read and is lost,
 * because this process has no place for its descriptor. */
int mf_forward_reply_recv(int socket, struct mf_forward_reply *ret, int *ret_fd, int flags);

#endif
