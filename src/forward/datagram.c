/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/time.h"

/* UDP. Each client has a socket of its own to the server, so that the server tells them apart and an answer goes to the client
 * that asked, and to nobody else. Where there are too many clients, the one that was silent for the longest time is forgotten,
 * as is one that was silent for too long. */

#ifndef FORWARD_IDLE_US /* a test has it shorter */
#define FORWARD_IDLE_US 60000000U
#endif
#define CLIENTS_MAX 1024U /* of a link */
#define BUCKETS 256U
#define BATCH 64              /* packets before others are served */
#define HELD_MAX (256U << 10) /* bytes of a direction of a client, beyond which packets are lost */

struct client {
        struct forward_source source; /* its socket to the server */
        struct forward_link *link;
        struct client *next;          /* in its bucket */
        struct client *older, *newer; /* by the time of their last packet */
        struct forward_task grave;    /* frees it */
        struct forward_timer timer;   /* until a packet that is held is due */
        struct sockaddr_storage address;
        int listener; /* descriptor to which it speaks */
        int fd;       /* -1: there is none */
        int is_refused, is_gone;
        uint64_t used_us;
        struct forward_held up, down;
};

struct forward_clients {
        struct client *buckets[BUCKETS];
        struct client *oldest, *newest;
        unsigned n;
        struct forward_timer timer; /* until the oldest is forgotten */
};

static char packet[65536];

/* --- the list of clients -------------------------------------------------------------------------------------- */

static unsigned bucket_of(const struct sockaddr_storage *address, int listener)
{
        const unsigned char *bytes = (const unsigned char *) address;
        unsigned hash = (unsigned) listener;

        for (size_t i = 0; i < forward_address_size(address); i++)
                hash = hash * 31U + bytes[i];
        return hash % BUCKETS;
}

static void take_out(struct forward_clients *clients, struct client *client)
{
        *(client->older ? &client->older->newer : &clients->oldest) = client->newer;
        *(client->newer ? &client->newer->older : &clients->newest) = client->older;
}

static void put_in(struct forward_clients *clients, struct client *client)
{
        client->newer = NULL;
        client->older = clients->newest;
        *(clients->newest ? &clients->newest->newer : &clients->oldest) = client;
        clients->newest = client;
}

/* Notes that a packet came or went. */
static void touch(struct client *client)
{
        struct forward_clients *clients = client->link->clients;

        client->used_us = mf_now_us();
        take_out(clients, client);
        put_in(clients, client);
}

static void bury(struct forward_task *task)
{
        free((char *) task - offsetof(struct client, grave));
}

static void forget(struct client *client)
{
        struct forward_clients *clients = client->link->clients;
        struct client **place = &clients->buckets[bucket_of(&client->address, client->listener)];

        while (*place != client)
                place = &(*place)->next;
        *place = client->next;
        take_out(clients, client);
        clients->n--;
        client->fd = mf_close(client->fd);
        client->is_gone = 1;
        forward_give_fds(1);
        forward_timer_clear(&client->timer);
        forward_timers_release(1);
        forward_held_clear(&client->up);
        forward_held_clear(&client->down);
        forward_later(&client->grave);
}

static void forget_old(struct forward_timer *timer)
{
        struct forward_clients *clients = (void *) ((char *) timer - offsetof(struct forward_clients, timer));
        uint64_t now = mf_now_us();

        while (clients->oldest && clients->oldest->used_us + FORWARD_IDLE_US <= now)
                forget(clients->oldest);
        if (clients->oldest)
                forward_timer_set(timer, clients->oldest->used_us + FORWARD_IDLE_US);
}

/* --- packets -------------------------------------------------------------------------------------------------- */

static struct sockaddr_storage find_server(struct forward_link *link)
{
        uint16_t port = (uint16_t) link->target.port;
        struct sockaddr_storage found;

        if (link->found.ss_family)
                return link->found;
        if (link->is_host || forward_listeners(IPPROTO_UDP, port, &found, 1) == 0)
                return forward_loopback(AF_INET, port);
        link->found = found;
        return found;
}

/* Makes the client's socket to the server, anew where there is one. Returns 0 or negative errno. */
static int connect_client(struct client *client)
{
        struct sockaddr_storage address = find_server(client->link);

        client->fd = mf_close(client->fd);
        client->fd = forward_link_socket(client->link, address.ss_family, SOCK_DGRAM);
        if (client->fd < 0)
                return client->fd;
        client->is_refused = 0;
        if (connect(client->fd, (struct sockaddr *) &address, forward_address_size(&address)) < 0)
                return -errno;
        return forward_watch(client->fd, &client->source, EPOLLIN);
}

/* Sends to the server. Where nobody has the port any more, looks for another address once. */
static void send_up(struct client *client, const void *data, size_t size)
{
        for (int i = 0; i < 2; i++) {
                if (client->is_refused || client->fd < 0) {
                        client->link->found.ss_family = 0;
                        if (connect_client(client) < 0)
                                return;
                }
                if (send(client->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != ECONNREFUSED)
                        return;
                client->is_refused = 1;
        }
}

static void send_down(const struct client *client, const void *data, size_t size)
{
        sendto(client->listener, data, size, MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *) &client->address,
               forward_address_size(&client->address));
}

/* Sends what is due of one direction. Returns when the next is due; 0: nothing is held. */
static uint64_t release(struct client *client, struct forward_held *held, const struct mf_forward_flow *faults)
{
        if (faults->is_stopped)
                forward_held_clear(held);
        while (held->first) {
                const struct forward_chunk *chunk = held->first;
                uint64_t due = forward_due_us(chunk->arrived_us, chunk->random, faults);
                if (due > mf_now_us())
                        return due;
                if (held == &client->up)
                        send_up(client, chunk->data, chunk->size);
                else
                        send_down(client, chunk->data, chunk->size);
                forward_held_take(held, chunk->size);
        }
        return 0;
}

static void release_both(struct client *client)
{
        uint64_t up = release(client, &client->up, &client->link->faults.up);
        uint64_t down = release(client, &client->down, &client->link->faults.down);

        if (up || down)
                forward_timer_set(&client->timer, !up || (down && down < up) ? down : up);
}

static void timer_expired(struct forward_timer *timer)
{
        release_both((void *) ((char *) timer - offsetof(struct client, timer)));
}

/* Passes on a packet of one direction, now or later, or loses it. */
static void pass(struct client *client, struct forward_held *held, const struct mf_forward_flow *faults, size_t size)
{
        touch(client);
        if (faults->is_stopped)
                return;
        if (!held->first && !faults->latency_us && !faults->jitter_us) {
                if (held == &client->up)
                        send_up(client, packet, size);
                else
                        send_down(client, packet, size);
                return;
        }
        if (forward_held_fits(held, size, HELD_MAX) && forward_held_add(held, packet, size) == 0)
                release_both(client);
}

static void server_ready(struct forward_source *source, uint32_t events)
{
        struct client *client = (void *) ((char *) source - offsetof(struct client, source));

        (void) events;
        for (int i = 0; i < BATCH && !client->is_gone; i++) {
                ssize_t n = recv(client->fd, packet, sizeof(packet), MSG_DONTWAIT);
                if (n < 0 && errno == ECONNREFUSED)
                        client->is_refused = 1;
                if (n < 0)
                        return;
                pass(client, &client->down, &client->link->faults.down, (size_t) n);
        }
}

/* Returns a new client, or NULL where descriptors or memory are used up. */
static struct client *add_client(struct forward_link *link, int listener, const struct sockaddr_storage *address)
{
        struct forward_clients *clients = link->clients;

        if (clients->n >= CLIENTS_MAX)
                forget(clients->oldest);
        while (!forward_take_fds(1)) {
                if (!clients->oldest)
                        return NULL;
                forget(clients->oldest);
        }
        struct client *client = calloc(1, sizeof(*client));
        if (!client || forward_timers_reserve(1) < 0) {
                free(client);
                forward_give_fds(1);
                return NULL;
        }
        client->source.ready = server_ready;
        client->link = link;
        client->grave.run = bury;
        client->timer.expired = timer_expired;
        client->address = *address;
        client->listener = listener;
        client->fd = -1;
        struct client **bucket = &clients->buckets[bucket_of(address, listener)];
        client->next = *bucket;
        *bucket = client;
        put_in(clients, client);
        clients->n++;
        if (!clients->timer.place)
                forward_timer_set(&clients->timer, mf_now_us() + FORWARD_IDLE_US);
        return client;
}

static struct client *find_client(struct forward_link *link, int listener, const struct sockaddr_storage *address)
{
        struct client *client = link->clients->buckets[bucket_of(address, listener)];

        while (client &&
               (client->listener != listener || memcmp(&client->address, address, forward_address_size(address)) != 0))
                client = client->next;
        return client;
}

void forward_datagrams_ready(struct forward_listener *listener)
{
        struct forward_link *link = listener->link;

        for (int i = 0; i < BATCH; i++) {
                struct sockaddr_storage address;
                socklen_t length = sizeof(address);
                memset(&address, 0, sizeof(address)); /* its padding too: a client is known by its bytes */
                ssize_t n = recvfrom(listener->fd, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *) &address,
                                     &length);
                if (n < 0)
                        return;
                struct client *client = find_client(link, listener->fd, &address);
                if (!client)
                        client = add_client(link, listener->fd, &address);
                if (client)
                        pass(client, &client->up, &link->faults.up, (size_t) n);
        }
}

/* --- of a link ------------------------------------------------------------------------------------------------ */

int forward_clients_init(struct forward_link *link)
{
        struct forward_clients *clients = calloc(1, sizeof(*clients));

        if (!clients || forward_timers_reserve(1) < 0) {
                free(clients);
                return -ENOMEM;
        }
        clients->timer.expired = forget_old;
        link->clients = clients;
        return 0;
}

void forward_clients_update(struct forward_link *link)
{
        for (struct client *client = link->clients->oldest; client; client = client->newer) {
                forward_timer_clear(&client->timer);
                release_both(client);
        }
}

void forward_clients_free(struct forward_link *link)
{
        struct forward_clients *clients = link->clients;

        if (!clients)
                return;
        forward_timers_release(1);
        free(clients);
}
