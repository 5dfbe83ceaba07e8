/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forward/forward.h"
#include "protocol/packet.h"
#include "util/fd.h"

/* Sockets of the host's network, for host ports. This process has left that network for the container's, so a child that
 * stays there makes them, several at once. They are sent unconnected: this process connects them. */

#define BATCH 8

static struct {
        struct forward_source source;
        int fd; /* to the child; -1: there is none */
        pid_t pid;
        struct {
                int fds[BATCH];
                size_t n;
        } ready[2]; /* streams, datagrams */
} host = { .fd = -1 };

/* --- the child ------------------------------------------------------------------------------------------------ */

/* Sends sockets of the wanted type; none where they cannot be made or sent. The latter: the container's user may have too many
 * descriptors in flight. Returns 0, or negative errno when the parent is gone. */
static int send_sockets(int fd, int type)
{
        char byte = 0;
        const struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        int fds[BATCH];
        size_t n = 0;

        while (n < BATCH && (fds[n] = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) >= 0)
                n++;
        int r = mf_packet_send(fd, &iov, 1, fds, n, 0);
        while (n > 0)
                close(fds[--n]);
        if (r < 0)
                r = send(fd, &byte, 1, MSG_NOSIGNAL) < 0 ? -errno : 0;
        return r;
}

static _Noreturn void be_child(int fd, const struct forward_confinement *parents, pid_t parent)
{
        struct forward_confinement confinement = *parents;
        int type;

        confinement.root = 1;
        confinement.capabilities = 0;
        confinement.parent = parent;
        if (dup2(fd, 0) < 0 || dup2(parents->root, confinement.root) < 0)
                _exit(1);
        if (syscall(SYS_close_range, 2, ~0U, 0) < 0)
                for (int i = 2; i < 1024; i++)
                        close(i);
        if (forward_confine(&confinement, &(struct forward_text){ .text = "" }) < 0)
                _exit(1);
        close(confinement.root);
        while (recv(0, &type, sizeof(type), 0) == sizeof(type))
                if (send_sockets(0, type) < 0)
                        break;
        _exit(0);
}

/* --- the parent ----------------------------------------------------------------------------------------------- */

/* The child ends before this process only by a failure. */
static void child_ended(struct forward_source *source, uint32_t events)
{
        (void) source;
        (void) events;
        forward_unwatch(host.fd);
        forward_loop_fail("the process that makes sockets of the host has ended", -EPIPE);
}

int forward_host_start(const struct forward_confinement *confinement)
{
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        pid_t parent = getpid(), pid = fork();
        if (pid == 0)
                be_child(pair[1], confinement, parent);
        int r = pid < 0 ? -errno : 0;
        close(pair[1]);
        if (r < 0) {
                close(pair[0]);
                return r;
        }
        host.fd = pair[0];
        host.pid = pid;
        host.source.ready = child_ended;
        return forward_watch(host.fd, &host.source, 0); /* its end is always reported */
}

void forward_host_end(void)
{
        if (host.fd < 0)
                return;
        host.fd = mf_close(host.fd);
        waitpid(host.pid, NULL, 0);
}

int forward_host_is_there(void)
{
        return host.fd >= 0;
}

/* Waits for the child's answer, which takes microseconds. */
static int fetch(int type, int *fds, size_t *ret_n)
{
        char byte;
        const struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
        struct mf_packet packet;

        if (send(host.fd, &type, sizeof(type), MSG_NOSIGNAL) < 0)
                return -errno;
        if (mf_packet_recv(host.fd, &iov, 1, fds, BATCH, 0, &packet, 0) != 1)
                return -EIO;
        *ret_n = packet.n_fds;
        return *ret_n > 0 ? 0 : -EMFILE;
}

int forward_host_socket(int type)
{
        size_t which = type == SOCK_DGRAM;

        if (host.ready[which].n == 0) {
                int r = fetch(type, host.ready[which].fds, &host.ready[which].n);
                if (r < 0)
                        return r;
        }
        return host.ready[which].fds[--host.ready[which].n];
}
