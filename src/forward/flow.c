/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/time.h"

/* Data of a healthy link go through a pipe, by splice(2), or are copied where they are few. Those of a link with faults, and
 * those for which there is no pipe, are read into memory and held there. A flow never has data in both. */

#define ONCE (512U * 1024U)      /* bytes that are asked for at once */
#define SMALL (16 * 1024)        /* bytes; less is copied */
#define HELD_MAX (1024U * 1024U) /* bytes of one flow */
#define HELD_STOPPED (64U * 1024U)
#define HELD_MIN 4096U
#define TURNS 16    /* after which others are served */
#define SLICES 100U /* of a second, in which a limited link sends */

static void timer_expired(struct forward_timer *timer)
{
        struct forward_flow *flow = (void *) ((char *) timer - offsetof(struct forward_flow, timer));

        forward_connection_go_on(flow->connection);
}

void forward_flow_init(struct forward_flow *flow, struct forward_connection *connection, struct forward_side *from,
                       struct forward_side *to, const struct mf_forward_flow *faults)
{
        *flow = (struct forward_flow){ .connection = connection,
                                       .from = from,
                                       .to = to,
                                       .faults = faults,
                                       .timer.expired = timer_expired,
                                       .pipe = { -1, -1 } };
}

void forward_flow_clear(struct forward_flow *flow)
{
        forward_pipe_give(flow->pipe, flow->in_pipe == 0);
        flow->in_pipe = 0;
        forward_held_clear(&flow->held);
        forward_timer_clear(&flow->timer);
}

static struct forward_flow *reverse_of(const struct forward_flow *flow)
{
        struct forward_connection *connection = flow->connection;

        return flow == &connection->up ? &connection->down : &connection->up;
}

static uint64_t slow_close_us(const struct forward_flow *flow)
{
        return flow->connection->link->faults.slow_close_us;
}

/* Whether the flow has to pass through memory now. */
static int is_slow(const struct forward_flow *flow)
{
        const struct mf_forward_flow *faults = flow->faults;

        return flow->held.first || flow->has_no_pipe || faults->latency_us || faults->jitter_us ||
               faults->bytes_per_s || faults->cut_after || faults->corrupt_at || faults->is_stopped ||
               slow_close_us(flow);
}

/* The receiver has gone, as errno says. What it has sent before is still read; then the connection is reset. Where only memory was
 * lacking, the receiver would wait for what cannot be sent. */
static int become_broken(struct forward_flow *flow)
{
        struct forward_flow *reverse = reverse_of(flow);

        if (errno == ENOBUFS || errno == ENOMEM)
                return -ECONNRESET;
        flow->is_broken = 1;
        if (reverse->is_done)
                return -ECONNRESET;
        reverse->from->is_readable = 1;
        forward_later(&flow->connection->task);
        return 0;
}

/* Notes what a read from the sender said when it brought nothing: 0, or -1 with errno. */
static void note_end(struct forward_flow *flow, ssize_t n)
{
        if (n < 0 && errno == EINTR)
                return;
        if (n < 0 && errno == EAGAIN) {
                flow->from->is_readable = 0;
                return;
        }
        flow->end = n < 0 || reverse_of(flow)->is_broken ? FORWARD_RESET : FORWARD_FINISHED;
        flow->end_us = mf_now_us();
}

static char buffer[64 * 1024];

/* Reads into the buffer. Returns how many bytes, or 0 when there are none. A read that gets less than it wants has got
 * all, as a rule. */
static size_t read_some(struct forward_flow *flow, size_t wanted)
{
        ssize_t n = recv(flow->from->fd, buffer, wanted, MSG_DONTWAIT);

        if (n <= 0)
                note_end(flow, n);
        else if ((size_t) n < wanted && !flow->from->reads_on)
                flow->from->is_readable = 0;
        return n > 0 ? (size_t) n : 0;
}

/* --- through a pipe ------------------------------------------------------------------------------------------- */

/* Takes from the sender into the pipe. */
static void pull(struct forward_flow *flow)
{
        if (flow->pipe[0] < 0 && forward_pipe_take(flow->pipe) < 0) {
                flow->has_no_pipe = 1; /* through memory, then, until all is sent */
                return;
        }
        ssize_t n = splice(flow->from->fd, NULL, flow->pipe[1], NULL, ONCE, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n > 0)
                flow->in_pipe += (size_t) n;
        else
                note_end(flow, n);
        flow->is_bulk = n >= SMALL;
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

/* --- through memory ------------------------------------------------------------------------------------------- */

/* How many bytes may be held: what is on its way in the time of the latency, if there is a bandwidth. */
static size_t held_max(const struct mf_forward_flow *faults)
{
        if (faults->is_stopped)
                return HELD_STOPPED;
        if (!faults->bytes_per_s || faults->bytes_per_s > HELD_MAX * 10U)
                return HELD_MAX;
        uint64_t bytes = faults->bytes_per_s * (faults->latency_us / 1000 + 100) / 1000;
        return bytes < HELD_MIN ? HELD_MIN : bytes > HELD_MAX ? HELD_MAX : (size_t) bytes;
}

/* Reads from the sender what may be held. Returns 0 or -ENOMEM. */
static int hold(struct forward_flow *flow)
{
        while (!flow->end && flow->from->is_readable) {
                size_t room = forward_held_room(&flow->held, held_max(flow->faults));
                if (room == 0)
                        return 0;
                size_t n = read_some(flow, room < sizeof(buffer) ? room : sizeof(buffer));
                int r = n > 0 ? forward_held_add(&flow->held, buffer, n) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* Moves what is in the pipe to memory, where faults can get at it. */
static int empty_pipe(struct forward_flow *flow)
{
        while (flow->in_pipe > 0) {
                ssize_t n = read(flow->pipe[0], buffer, sizeof(buffer));
                if (n <= 0)
                        return -EIO;
                flow->in_pipe -= (size_t) n;
                int r = forward_held_add(&flow->held, buffer, (size_t) n);
                if (r < 0)
                        return r;
        }
        forward_pipe_give(flow->pipe, 1);
        return 0;
}

/* Returns 1 when the time has come, or 0, and has the flow go on then. */
static int is_due(struct forward_flow *flow, uint64_t when_us, uint64_t now_us)
{
        if (when_us <= now_us)
                return 1;
        forward_timer_set(&flow->timer, when_us);
        return 0;
}

/* Sends a part of the first chunk, which is due. Returns 1, 0 when the receiver takes no more, or -ECONNRESET. */
static int send_some(struct forward_flow *flow, uint64_t now_us)
{
        const struct mf_forward_flow *faults = flow->faults;
        struct forward_chunk *chunk = flow->held.first;
        char *data = chunk->data + chunk->offset, changed;
        size_t size = chunk->size - chunk->offset;

        if (faults->bytes_per_s && size > faults->bytes_per_s / SLICES + 1)
                size = (size_t) faults->bytes_per_s / SLICES + 1;
        if (faults->cut_after && size > faults->cut_after - flow->passed)
                size = (size_t) (faults->cut_after - flow->passed);
        if (faults->corrupt_at == flow->passed + 1) {
                changed = (char) ~*data;
                data = &changed;
                size = 1;
        } else if (faults->corrupt_at > flow->passed && size >= faults->corrupt_at - flow->passed) {
                size = (size_t) (faults->corrupt_at - flow->passed - 1);
        }
        ssize_t n = send(flow->to->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
                flow->to->is_writable = 0;
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : become_broken(flow);
        flow->passed += (uint64_t) n;
        if (faults->bytes_per_s)
                flow->next_us = (flow->next_us > now_us ? flow->next_us : now_us) +
                                (uint64_t) n * 1000000U / faults->bytes_per_s;
        forward_held_take(&flow->held, (size_t) n);
        return 1;
}

static int is_cut(const struct forward_flow *flow)
{
        return flow->faults->cut_after && flow->passed >= flow->faults->cut_after;
}

/* Sends what is due. Returns 0, or -ECONNRESET after the byte at which the connection is cut. */
static int release(struct forward_flow *flow)
{
        while (flow->held.first && flow->to->is_writable && !flow->is_broken && !flow->faults->is_stopped) {
                const struct forward_chunk *chunk = flow->held.first;
                uint64_t now = mf_now_us();
                if (!is_due(flow, forward_due_us(chunk->arrived_us, chunk->random, flow->faults), now) ||
                    !is_due(flow, flow->faults->bytes_per_s ? flow->next_us : 0, now))
                        return 0;
                int r = send_some(flow, now);
                if (r < 0 || is_cut(flow))
                        return -ECONNRESET;
        }
        return 0;
}

/* --- both ----------------------------------------------------------------------------------------------------- */

/* Passes the end on when it is due. */
static int finish(struct forward_flow *flow)
{
        uint64_t due = forward_due_us(flow->end_us, 0, flow->faults);

        if (flow->faults->is_stopped)
                return 0;
        if (flow->end == FORWARD_FINISHED)
                due += slow_close_us(flow);
        if (!is_due(flow, due, mf_now_us()))
                return 0;
        if (flow->end == FORWARD_RESET)
                return -ECONNRESET;
        if (!reverse_of(flow)->is_done) /* else both are closed now */
                shutdown(flow->to->fd, SHUT_WR);
        flow->is_done = 1;
        return 0;
}

static int move_slowly(struct forward_flow *flow)
{
        int r = empty_pipe(flow);

        if (r == 0)
                r = hold(flow);
        if (r == 0)
                r = release(flow);
        if (r < 0)
                return -ECONNRESET;
        if (flow->held.first)
                return flow->from->is_readable && !flow->end &&
                       forward_held_room(&flow->held, held_max(flow->faults)) > 0;
        flow->has_no_pipe = 0;
        return flow->end ? finish(flow) : flow->from->is_readable;
}

/* Passes a small piece on at once. What the receiver does not take is held. Returns 0 or negative errno. */
static int copy(struct forward_flow *flow)
{
        size_t size = read_some(flow, SMALL);

        if (size == 0)
                return 0;
        flow->is_bulk = size == SMALL;
        ssize_t n = send(flow->to->fd, buffer, size, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n == (ssize_t) size)
                return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
                return become_broken(flow);
        if (n >= 0 || errno == EAGAIN)
                flow->to->is_writable = 0;
        size_t sent = n < 0 ? 0 : (size_t) n;
        return forward_held_add(&flow->held, buffer + sent, size - sent);
}

/* Moves bytes once. Returns 1 when there may be more to move at once. */
static int move_fast(struct forward_flow *flow)
{
        int r = push(flow);

        if (r < 0 || flow->in_pipe > 0)
                return r;
        if (flow->end)
                return finish(flow);
        if (!flow->from->is_readable)
                return 0;
        if (!flow->is_bulk && flow->to->is_writable)
                return copy(flow) < 0 ? -ECONNRESET : 1;
        pull(flow);
        return 1;
}

int forward_flow_move(struct forward_flow *flow)
{
        for (int turn = 0; turn < TURNS; turn++) {
                if (flow->is_done || flow->is_broken)
                        return 0;
                int r = is_slow(flow) ? move_slowly(flow) : move_fast(flow);
                if (r <= 0)
                        return r;
        }
        return 1;
}

void forward_flow_update(struct forward_flow *flow)
{
        flow->passed = 0;
        flow->next_us = 0;
        forward_timer_clear(&flow->timer);
}
