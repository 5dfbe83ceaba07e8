/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "container/forward-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"
#include "util/timeout.h"

#define ANSWER_MS 10000U /* mayfly-forward answers at once; it may have to wait for a processor, */
#define DEATH_MS 1000U   /* and mayfly-launch, which ends the container without it, also */

int mf_forward_open(struct mf_forward *forward, int *ret)
{
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        if (fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0) {
                int r = -errno;
                mf_close(pair[0]);
                mf_close(pair[1]);
                return r;
        }
        *forward = (struct mf_forward){ .socket = pair[0] };
        *ret = pair[1];
        return 0;
}

void mf_forward_close(struct mf_forward *forward)
{
        mf_close(forward->socket);
        *forward = (struct mf_forward){ .socket = -1 };
}

int mf_forward_queue(struct mayfly_container *container, const struct mf_forward_request *request, const int *fds,
                     size_t n_fds)
{
        int r = mf_forward_request_send(container->forward.socket, request, fds, n_fds);

        if (r == 0)
                container->forward.n_queued++;
        /* The latter: a user may have so many descriptors in sockets only (unix(7)). */
        return r == -ETOOMANYREFS ? -EAGAIN : r;
}

/* Sets the error of a container that is about to end because mayfly-forward has. */
static int explain_end(struct mayfly_container *container, struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(DEATH_MS);

        while (container->control >= 0 && mf_left_ms(deadline) > 0)
                if (mf_container_poll(container, NULL, 0, mf_left_ms(deadline), NULL) < 0)
                        break;
        if (container->control < 0)
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "reaching a port", err);
        return mf_error(
                err, -EPIPE, MAYFLY_STAGE_NETWORK,
                "mayfly-forward, which connects the ports of container %s, has ended; start the container again",
                container->machine);
}

/* Sends a request to mayfly-forward, which may still be starting. */
static int send_request(struct mayfly_container *container, const struct mf_forward_request *request, const int *fds,
                        size_t n_fds, struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(ANSWER_MS);

        for (;;) {
                struct pollfd room = { .fd = container->forward.socket, .events = POLLOUT };
                int r = mf_forward_request_send(container->forward.socket, request, fds, n_fds);
                if (r == 0)
                        return 0;
                if (r != -EAGAIN && r != -ETOOMANYREFS)
                        return explain_end(container, err);
                if (container->control < 0)
                        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "reaching a port",
                                                          err);
                if (mf_left_ms(deadline) == 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_NETWORK,
                                              "mayfly-forward, which connects the ports of container %s, takes no "
                                              "request for %u s",
                                              container->machine, mf_timeout_ms(ANSWER_MS) / 1000);
                r = mf_container_poll(container, &room, r == -EAGAIN, r == -EAGAIN ? mf_left_ms(deadline) : 1, err);
                if (r < 0)
                        return r;
        }
}

/* Waits for one reply. */
static int read_reply(struct mayfly_container *container, struct mf_forward_reply *ret, int *ret_fd,
                      struct mayfly_error *err)
{
        uint64_t deadline = mf_timeout_end(ANSWER_MS);

        for (;;) {
                struct pollfd answer = { .fd = container->forward.socket, .events = POLLIN };
                int fd = -1, r = mf_forward_reply_recv(container->forward.socket, ret, &fd, MSG_DONTWAIT);
                if ((r > 0 || r == -EMFILE) && container->forward.n_late > 0) {
                        container->forward.n_late--;
                        mf_close(fd);
                        continue;
                }
                if (r == -EMFILE)
                        return mf_error(
                                err, r, MAYFLY_STAGE_NETWORK,
                                "this process has no free descriptor for what mayfly-forward sends; close some, "
                                "or raise the limit (ulimit -n)");
                if (r > 0) {
                        if (ret_fd)
                                *ret_fd = fd;
                        else
                                mf_close(fd);
                        return 0;
                }
                if (r == 0 || (r < 0 && r != -EAGAIN))
                        return explain_end(container, err);
                if (container->control < 0)
                        return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "reaching a port",
                                                          err);
                if (mf_left_ms(deadline) == 0) {
                        container->forward.n_late++;
                        return mf_error(err, -ETIMEDOUT, MAYFLY_STAGE_NETWORK,
                                        "mayfly-forward, which connects the ports of container %s, does not answer for "
                                        "%u s; is the host overloaded?",
                                        container->machine, mf_timeout_ms(ANSWER_MS) / 1000);
                }
                r = mf_container_poll(container, &answer, 1, mf_left_ms(deadline), err);
                if (r < 0) {
                        container->forward.n_late++;
                        return r;
                }
        }
}

static int enter(struct mayfly_container *container, struct mayfly_error *err)
{
        const struct mf_forward_request request = { .type = MF_FORWARD_ENTER,
                                                    .has_host_ports = (uint32_t) mf_ports_need_host(container),
                                                    .uid = container->ids.base,
                                                    .gid = container->ids.base };

        int r = send_request(container, &request, &container->leader_fd, 1, err);
        if (r < 0)
                return r;
        container->forward.n_queued++;
        container->forward.was_entered = 1;
        return 0;
}

int mf_forward_enter(struct mayfly_container *container, struct mayfly_error *err)
{
        /* A container that has died has no leader; the next wait says so. */
        if (container->forward.was_entered || container->forward.n_queued == 0 || container->leader_fd < 0)
                return 0;
        return enter(container, err);
}

/* Sets the error for a request that failed: the container's death, if that is the reason. */
static int explain_failure(struct mayfly_container *container, const struct mf_forward_reply *reply,
                           struct mayfly_error *err)
{
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        if (container->control < 0 || container->leader_fd < 0)
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "reaching a port", err);
        return mf_error_errno(err, reply->error, MAYFLY_STAGE_NETWORK, "the ports of container %s: %s",
                              container->machine, reply->text);
}

int mf_forward_finish(struct mayfly_container *container, struct mayfly_error *err)
{
        unsigned n = container->forward.n_queued;
        int error = 0;

        if (!container->forward.was_entered)
                return 0;
        container->forward.n_queued = 0;
        for (unsigned i = 0; i < n; i++) {
                struct mf_forward_reply reply = { 0 };
                int fd = -1, r = read_reply(container, &reply, &fd, err);
                mf_close(fd);
                if (r < 0) {
                        container->forward.n_late += n - 1 - i;
                        return r;
                }
                if (reply.error < 0 && reply.error != -EALREADY && error == 0) /* another process has let it enter */
                        error = explain_failure(container, &reply, err);
        }
        return error;
}

/* Sees that mayfly-forward runs in the container's network. */
static int ensure_entered(struct mayfly_container *container, struct mayfly_error *err)
{
        if (container->forward.was_entered)
                return 0;
        if (container->control < 0 || container->leader_fd < 0)
                return mf_container_explain_death(container, -ESRCH, MAYFLY_STAGE_NETWORK, "reaching a port", err);
        int r = enter(container, err);
        return r < 0 ? r : mf_forward_finish(container, err);
}

int mf_forward_ask(struct mayfly_container *container, const struct mf_forward_request *request, const int *fds,
                   size_t n_fds, struct mf_forward_reply *ret, int *ret_fd, struct mayfly_error *err)
{
        (void) mf_container_poll(container, NULL, 0, 0, NULL);
        int r = ensure_entered(container, err);
        if (r < 0)
                return r;
        r = send_request(container, request, fds, n_fds, err);
        if (r < 0)
                return r;
        return read_reply(container, ret, ret_fd, err);
}

int mf_forward_socket(struct mayfly_container *container, int domain, int type, int protocol, struct mayfly_error *err)
{
        const struct mf_forward_request request = {
                .type = MF_FORWARD_SOCKET, .domain = domain, .socket_type = type, .protocol = protocol
        };
        struct mf_forward_reply reply = { 0 };
        int fd = -1;

        if (container->spec.network == MAYFLY_NETWORK_HOST) {
                fd = socket(domain, type | SOCK_CLOEXEC, protocol);
                return fd >= 0 ? fd : mf_error_errno(err, -errno, MAYFLY_STAGE_NETWORK, "making a socket");
        }
        int r = mf_forward_ask(container, &request, NULL, 0, &reply, &fd, err);
        if (r < 0)
                return r;
        if (reply.error == 0 && fd >= 0)
                return fd;
        return mf_error_errno(err, reply.error ? reply.error : -EPROTO, MAYFLY_STAGE_NETWORK,
                              "making a socket in the network of container %s", container->machine);
}
