/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "forward/forward.h"

#define ONCE (256U * 1024U) /* bytes that are asked for at once */
#define TURNS 16            /* after which others are served */

void forward_flow_init(struct forward_flow *flow, struct forward_connection *connection, struct forward_side *from,
                       struct forward_side *to)
{
        *flow = (struct forward_flow){ .connection = connection, .from = from, .to = to, .pipe = { -1, -1 } };
}

void forward_flow_clear(struct forward_flow *flow)
{
        forward_pipe_give(flow->pipe, flow->in_pipe == 0);
        flow->in_pipe = 0;
}

static struct forward_flow *reverse_of(const struct forward_flow *flow)
{
        struct forward_connection *connection = flow->connection;

        return flow == &connection->up ? &connection->down : &connection->up;
}

/* The receiver has gone. What it has sent before is still read; then the connection is reset. */
static int become_broken(struct forward_flow *flow)
{
        struct forward_flow *reverse = reverse_of(flow);

        flow->is_broken = 1;
        if (reverse->is_done)
                return -ECONNRESET;
        reverse->from->is_readable = 1;
        forward_later(&flow->connection->task);
        return 0;
}

/* Takes from the sender into the pipe. Returns 0 or negative errno. */
static int pull(struct forward_flow *flow)
{
        if (flow->pipe[0] < 0) {
                int r = forward_pipe_take(flow->pipe);
                if (r < 0)
                        return r;
        }
        ssize_t n = splice(flow->from->fd, NULL, flow->pipe[1], NULL, ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n > 0)
                flow->in_pipe += (size_t) n;
        else if (n == 0)
                flow->end = reverse_of(flow)->is_broken ? FORWARD_RESET : FORWARD_FINISHED;
        else if (errno == EAGAIN)
                flow->from->is_readable = 0;
        else if (errno != EINTR)
                flow->end = FORWARD_RESET;
        return 0;
}

/* Gives what is in the pipe to the receiver. */
static int push(struct forward_flow *flow)
{
        while (flow->in_pipe > 0 && flow->to->is_writable) {
                ssize_t n = splice(flow->pipe[0], NULL, flow->to->fd, NULL, flow->in_pipe,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
                if (n >= 0)
                        flow->in_pipe -= (size_t) n;
                else if (errno == EAGAIN)
                        flow->to->is_writable = 0;
                else if (errno != EINTR)
                        return become_broken(flow);
        }
        if (flow->in_pipe == 0)
                forward_pipe_give(flow->pipe, 1);
        return 0;
}

static int finish(struct forward_flow *flow)
{
        if (flow->end == FORWARD_RESET)
                return -ECONNRESET;
        shutdown(flow->to->fd, SHUT_WR);
        flow->is_done = 1;
        return 0;
}

int forward_flow_move(struct forward_flow *flow)
{
        for (int turn = 0; turn < TURNS; turn++) {
                if (flow->is_done || flow->is_broken)
                        return 0;
                int r = push(flow);
                if (r < 0 || flow->in_pipe > 0)
                        return r;
                if (flow->end)
                        return finish(flow);
                if (!flow->from->is_readable)
                        return 0;
                r = pull(flow);
                if (r < 0)
                        return -ECONNRESET;
        }
        return 1;
}
