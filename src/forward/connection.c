/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"

#define DESCRIPTORS 2U
#define TIMERS 1U

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

void forward_connection_go_on(struct forward_connection *connection)
{
        if (connection->is_closed || !connection->is_connected)
                return;
        int up = forward_flow_move(&connection->up);
        int down = up < 0 ? up : forward_flow_move(&connection->down);
        if (down < 0)
                forward_connection_reset(connection);
        else if (connection->up.is_done && connection->down.is_done)
                close_both(connection);
        else if (up > 0 || down > 0)
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
        if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
                side->is_readable = 1;
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
        forward_connect((void *) ((char *) timer - offsetof(struct forward_connection, retry)));
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
        connection->server = (struct forward_side){ .source.ready = server_ready, .fd = -1 };
        forward_flow_init(&connection->up, connection, &connection->client, &connection->server);
        forward_flow_init(&connection->down, connection, &connection->server, &connection->client);
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
        if (forward_watch(client, &connection->client.source, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0)
                forward_connection_reset(connection);
        else
                forward_connect(connection);
}
