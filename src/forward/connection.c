/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <linux/sockios.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/time.h"

#define DESCRIPTORS 2U
#define TIMERS 3U
#define LOOK_US 1000U /* how often it is looked whether all was sent, */
#define LOOKS 1000U   /* and how many times */

void forward_reset_socket(int fd)
{
        const struct linger now = { .l_onoff = 1 };

        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
}

static void end(struct forward_connection *connection)
{
        struct forward_link *link = connection->link;

        forward_timer_clear(&connection->retry);
        forward_flow_clear(&connection->up);
        forward_flow_clear(&connection->down);
        if (connection->previous)
                connection->previous->next = connection->next;
        else
                link->connections = connection->next;
        if (connection->next)
                connection->next->previous = connection->previous;
        forward_give_fds(DESCRIPTORS);
        forward_timers_release(TIMERS);
        connection->is_closed = 1;
        forward_later(&connection->task); /* events of this turn may name it still */
}

void forward_connection_reset(struct forward_connection *connection)
{
        if (connection->is_closed)
                return;
        forward_reset_socket(connection->client.fd);
        if (connection->server.fd >= 0)
                forward_reset_socket(connection->server.fd);
        end(connection);
}

static void close_both(struct forward_connection *connection)
{
        close(connection->client.fd);
        close(connection->server.fd);
        end(connection);
}

/* Resets both sides when what they were given is on its way; a reset throws away what waits still. */
static void end_soon(struct forward_connection *connection)
{
        int client = 0, server = 0;

        ioctl(connection->client.fd, SIOCOUTQNSD, &client);
        ioctl(connection->server.fd, SIOCOUTQNSD, &server);
        connection->is_ending = 1;
        if (connection->down.is_broken || connection->up.end == FORWARD_RESET)
                client = 0; /* takes nothing any more */
        if (connection->up.is_broken || connection->down.end == FORWARD_RESET)
                server = 0;
        if ((client <= 0 && server <= 0) || connection->attempt++ >= LOOKS)
                forward_connection_reset(connection);
        else
                forward_timer_set(&connection->retry, mf_now_us() + LOOK_US);
}

void forward_connection_go_on(struct forward_connection *connection)
{
        if (connection->is_closed || !connection->is_connected || connection->is_ending)
                return;
        int up = forward_flow_move(&connection->up);
        int down = up < 0 ? up : forward_flow_move(&connection->down);
        if (down < 0) {
                connection->attempt = 0;
                end_soon(connection);
        } else if (connection->up.is_done && connection->down.is_done) {
                close_both(connection);
        } else if (up > 0 || down > 0) {
                forward_later(&connection->task);
        }
}

void forward_connection_update(struct forward_connection *connection)
{
        forward_flow_update(&connection->up);
        forward_flow_update(&connection->down);
        if (connection->is_waiting)
                forward_connect(connection);
        else
                forward_later(&connection->task);
}

static void run_task(struct forward_task *task)
{
        struct forward_connection *connection = (void *) ((char *) task - offsetof(struct forward_connection, task));

        if (connection->is_closed)
                free(connection);
        else
                forward_connection_go_on(connection);
}

static void note_events(struct forward_side *side, uint32_t events)
{
        if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                side->is_readable = 1;
        /* The end comes after the data, and a read stops before and after a byte that is urgent. */
        if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI))
                side->reads_on = 1;
        if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
                side->is_writable = 1;
}

static void client_ready(struct forward_source *source, uint32_t events)
{
        struct forward_connection *connection =
                (void *) ((char *) source - offsetof(struct forward_connection, client.source));

        if (connection->is_closed)
                return;
        note_events(&connection->client, events);
        if (!connection->is_connected && (events & (EPOLLHUP | EPOLLERR)))
                forward_connection_reset(connection);
        else
                forward_connection_go_on(connection);
}

static void server_ready(struct forward_source *source, uint32_t events)
{
        struct forward_connection *connection =
                (void *) ((char *) source - offsetof(struct forward_connection, server.source));

        if (connection->is_closed)
                return;
        note_events(&connection->server, events);
        if (!connection->is_connected)
                forward_connect_ready(connection);
        else
                forward_connection_go_on(connection);
}

static void retry(struct forward_timer *timer)
{
        struct forward_connection *connection = (void *) ((char *) timer - offsetof(struct forward_connection, retry));

        if (connection->is_ending)
                end_soon(connection);
        else
                forward_connect(connection);
}

/* Returns a connection of the link that has only a client, or NULL where descriptors or memory are used up. */
static struct forward_connection *make(struct forward_link *link, int client)
{
        if (!forward_take_fds(DESCRIPTORS))
                return NULL;
        struct forward_connection *connection = calloc(1, sizeof(*connection));
        if (!connection || forward_timers_reserve(TIMERS) < 0) {
                free(connection);
                forward_give_fds(DESCRIPTORS);
                return NULL;
        }
        connection->link = link;
        connection->task.run = run_task;
        connection->retry.expired = retry;
        connection->client = (struct forward_side){ .source.ready = client_ready, .fd = client, .is_writable = 1 };
        connection->server = (struct forward_side){ .source.ready = server_ready,
                                                    .fd = -1,
                                                    /* A read stops where descriptors were sent along. */
                                                    .reads_on = link->target.kind == MF_FORWARD_UNIX };
        forward_flow_init(&connection->up, connection, &connection->client, &connection->server, &link->faults.up);
        forward_flow_init(&connection->down, connection, &connection->server, &connection->client, &link->faults.down);
        connection->next = link->connections;
        if (connection->next)
                connection->next->previous = connection;
        link->connections = connection;
        return connection;
}

void forward_connection_begin(struct forward_link *link, int client)
{
        struct forward_connection *connection = make(link, client);

        if (!connection) {
                forward_reset_socket(client);
                return;
        }
        if (forward_watch(client, &connection->client.source, FORWARD_EVENTS) < 0)
                forward_connection_reset(connection);
        else
                forward_connect(connection);
}
