/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define CONTROL 0       /* the socket to the library is standard input */
#define RETRY_US 10000U /* for an answer that the kernel does not take now */

/* The answer that could not be sent yet. No request is read before it is gone. */
static struct {
        struct forward_source source;
        struct mf_forward_reply reply;
        int fd;
        int is_waiting;
        struct forward_timer retry;
} self = { .fd = -1 };

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

/* Sends the answer, or has it sent when there is place for it. */
static void answer(void)
{
        int r = mf_forward_reply_send(CONTROL, &self.reply, self.fd, MSG_DONTWAIT);

        self.is_waiting = r == -EAGAIN || is_passing(r);
        if (is_passing(r))
                forward_timer_set(&self.retry, mf_now_us() + RETRY_US);
        if (self.is_waiting) {
                forward_rewatch(CONTROL, &self.source, r == -EAGAIN ? EPOLLOUT : 0);
                return;
        }
        forward_rewatch(CONTROL, &self.source, EPOLLIN);
        self.fd = mf_close(self.fd);
        if (r == -EPIPE || r == -ECONNRESET)
                forward_loop_end();
        else if (r < 0)
                forward_loop_fail("answering the library", r);
}

static void retry(struct forward_timer *timer)
{
        (void) timer;
        answer();
}

static void serve(const struct mf_forward_request *request, int *fds, size_t n_fds)
{
        struct forward_text text = { .text = "" };
        size_t kept = 0;
        int r;

        memset(&self.reply, 0, sizeof(self.reply));
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
                r = serve_inside(request, &text, &self.fd);
        }
        for (size_t i = kept; i < n_fds; i++)
                close(fds[i]);
        self.reply.error = r;
        memcpy(self.reply.text, text.text, sizeof(self.reply.text));
        answer();
}

static void control_ready(struct forward_source *source, uint32_t events)
{
        static struct mf_forward_request request;
        int fds[MF_FORWARD_FDS_MAX];
        size_t n_fds;

        (void) source;
        if (self.is_waiting && (events & EPOLLHUP)) {
                forward_loop_end();
                return;
        }
        if (self.is_waiting) {
                answer();
                return;
        }
        int r = mf_forward_request_recv(CONTROL, &request, fds, &n_fds, MSG_DONTWAIT);
        if (r > 0)
                serve(&request, fds, n_fds);
        else if (r == 0)
                forward_loop_end();
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
        self.source.ready = control_ready;
        self.retry.expired = retry;
        int r = forward_loop_init();
        if (r == 0)
                r = forward_timers_reserve(1);
        if (r == 0)
                r = forward_watch(CONTROL, &self.source, EPOLLIN);
        if (r < 0)
                forward_loop_fail("waiting for events", r);
        r = forward_loop_run();
        forward_host_end();
        return r < 0;
}
