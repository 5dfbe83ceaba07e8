/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define CONTROL 0       /* the socket to the owner's library is standard input */
#define RETRY_US 10000U /* for an answer that the kernel does not take now */

/* A process that sends requests: the owner of the container, or another one that uses it. */
struct client {
        struct forward_source source; /* the first member */
        int socket;
        /* The answer that could not be sent yet. No request is read before it is gone. */
        struct mf_forward_reply reply;
        int fd;
        int is_waiting;
        struct forward_timer retry;
        struct forward_task end;
        int has_left;
};

static int enter(const struct mf_forward_request *request, const int *fds, size_t n_fds, struct forward_text *text)
{
        if (n_fds != 1)
                return forward_say(text, -EINVAL, "ENTER with %zu descriptors", n_fds);
        if (forward_has_entered())
                return forward_say(text, -EALREADY, "the container has been entered");
        int r = forward_enter(request, fds[0], text);
        return r == 0 ? forward_links_begin(text) : r;
}

static int make_socket(const struct mf_forward_request *request, struct forward_text *text, int *ret_fd)
{
        int fd = socket(request->domain, request->socket_type | SOCK_CLOEXEC, request->protocol);

        if (fd < 0)
                return forward_say(text, -errno, "making a socket in the container's network");
        *ret_fd = fd;
        return 0;
}

static int connect_unix(const char *path, struct forward_text *text, int *ret_fd)
{
        mf_cleanup(mf_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return forward_say(text, -errno, "making a socket");
        int r = forward_connect_unix(fd, path);
        if (r < 0)
                return forward_say(text, r, "connecting to %.200s in the container", path);
        if (fcntl(fd, F_SETFL, 0) < 0)
                return forward_say(text, -errno, "the connection to %.200s", path);
        *ret_fd = mf_take_fd(&fd);
        return 0;
}

/* Does what needs the container. */
static int serve_inside(const struct mf_forward_request *request, struct forward_text *text, int *ret_fd)
{
        if (!forward_has_entered())
                return forward_say(text, -ENOTCONN, "the container has not been entered");
        switch (request->type) {
        case MF_FORWARD_SOCKET:
                return make_socket(request, text, ret_fd);
        case MF_FORWARD_CONNECT:
                return connect_unix(request->target.path, text, ret_fd);
        default:
                return forward_say(text, -EBADRQC, "request %u is not known", request->type);
        }
}

/* Whether the kernel may take the answer later, and does not tell when. The first: too many descriptors are in flight, which
 * root in the container can bring about where it is the same user outside. */
static int is_passing(int error)
{
        return error == -ETOOMANYREFS || error == -ENOBUFS || error == -ENOMEM;
}

static void free_client(struct forward_task *task)
{
        free((char *) task - offsetof(struct client, end));
}

/* Ends with the owner. Another client goes alone, later: an event of it may have been taken already. */
static void leave(struct client *client)
{
        if (client->socket == CONTROL) {
                forward_loop_end();
                return;
        }
        client->has_left = 1;
        forward_unwatch(client->socket);
        forward_timer_clear(&client->retry);
        forward_timers_release(1);
        mf_close(client->socket);
        mf_close(client->fd);
        client->end.run = free_client;
        forward_later(&client->end);
}

/* Sends the answer, or has it sent when there is place for it. */
static void answer(struct client *client)
{
        int r = mf_forward_reply_send(client->socket, &client->reply, client->fd, MSG_DONTWAIT);

        client->is_waiting = r == -EAGAIN || is_passing(r);
        if (is_passing(r))
                forward_timer_set(&client->retry, mf_now_us() + RETRY_US);
        if (client->is_waiting) {
                forward_rewatch(client->socket, &client->source, r == -EAGAIN ? EPOLLOUT : 0);
                return;
        }
        forward_rewatch(client->socket, &client->source, EPOLLIN);
        client->fd = mf_close(client->fd);
        if (r == -EPIPE || r == -ECONNRESET || (r < 0 && client->socket != CONTROL))
                leave(client);
        else if (r < 0)
                forward_loop_fail("answering the library", r);
}

static void retry(struct forward_timer *timer)
{
        answer((struct client *) (void *) ((char *) timer - offsetof(struct client, retry)));
}

static void client_ready(struct forward_source *source, uint32_t events);

/* Returns a client that is watched, or NULL. */
static struct client *add_client(int socket)
{
        struct client *client = calloc(1, sizeof(*client));

        if (!client || forward_timers_reserve(1) < 0) {
                free(client);
                return NULL;
        }
        client->socket = socket;
        client->fd = -1;
        client->source.ready = client_ready;
        client->retry.expired = retry;
        if (forward_watch(socket, &client->source, EPOLLIN) == 0)
                return client;
        forward_timers_release(1);
        free(client);
        return NULL;
}

/* Takes in another process. One that cannot be served sees the end of its socket. */
static void attach(const int *fds, size_t n_fds)
{
        size_t kept = n_fds == 1 && add_client(fds[0]) ? 1 : 0;

        for (size_t i = kept; i < n_fds; i++)
                close(fds[i]);
}

static void serve(struct client *client, const struct mf_forward_request *request, int *fds, size_t n_fds)
{
        struct forward_text text = { .text = "" };
        size_t kept = 0;
        int r;

        memset(&client->reply, 0, sizeof(client->reply));
        switch (request->type) {
        case MF_FORWARD_ENTER:
                r = enter(request, fds, n_fds, &text);
                break;
        case MF_FORWARD_LISTEN:
                r = forward_link_listen(request, fds, n_fds, &text);
                kept = r == 0 ? n_fds : 0;
                break;
        case MF_FORWARD_HOST_PORT:
                r = forward_link_host(request, &text);
                break;
        case MF_FORWARD_FAULTS:
                r = forward_link_faults(request, &text);
                break;
        default:
                r = serve_inside(request, &text, &client->fd);
        }
        for (size_t i = kept; i < n_fds; i++)
                close(fds[i]);
        client->reply.error = r;
        memcpy(client->reply.text, text.text, sizeof(client->reply.text));
        answer(client);
}

static void client_ready(struct forward_source *source, uint32_t events)
{
        struct client *client = (struct client *) (void *) source;
        static struct mf_forward_request request;
        int fds[MF_FORWARD_FDS_MAX];
        size_t n_fds;

        if (client->has_left)
                return;
        if (client->is_waiting && (events & EPOLLHUP)) {
                leave(client);
                return;
        }
        if (client->is_waiting) {
                answer(client);
                return;
        }
        int r = mf_forward_request_recv(client->socket, &request, fds, &n_fds, MSG_DONTWAIT);
        if (r > 0 && request.type == MF_FORWARD_ATTACH)
                attach(fds, n_fds);
        else if (r > 0)
                serve(client, &request, fds, n_fds);
        else if (r == 0 || (r != -EAGAIN && client->socket != CONTROL))
                leave(client);
        else if (r != -EAGAIN)
                forward_loop_fail("a request of the library", r);
}

int main(void)
{
        int type;
        socklen_t size = sizeof(type);

        if (getsockopt(CONTROL, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
                fputs("mayfly-forward: this program is for mayfly-launch to start\n", stderr);
                return 2;
        }
        signal(SIGPIPE, SIG_IGN);
        prctl(PR_SET_NAME, "mayfly-forward"); /* executed by a descriptor, it has a number for its name */
        prctl(PR_SET_DUMPABLE, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        forward_budget_init();
        int r = forward_loop_init();
        if (r == 0 && !add_client(CONTROL))
                r = -ENOMEM;
        if (r < 0)
                forward_loop_fail("waiting for events", r);
        r = forward_loop_run();
        forward_host_end();
        return r < 0;
}
