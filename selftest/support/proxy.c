/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "support/proxy.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32U

struct connection {
        struct proxy *proxy;
        pthread_t thread;
        int client;
};

struct proxy {
        int listener, port;
        pthread_t thread;
        pthread_mutex_t lock;
        char asked[8192];
        struct connection connections[CONNECTIONS_MAX];
        size_t n;
};

static void must(int fine, const char *what)
{
        if (!fine) {
                perror(what);
                abort();
        }
}

static struct sockaddr_in loopback(int port)
{
        return (struct sockaddr_in){ .sin_family = AF_INET,
                                     .sin_port = htons((uint16_t) port),
                                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int connect_to(int port)
{
        struct sockaddr_in address = loopback(port);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (struct sockaddr *) &address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -1;
}

static void send_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
                if (n <= 0)
                        return;
                data += n;
                size -= (size_t) n;
        }
}

/* Until either ends. */
static void relay(int a, int b)
{
        struct pollfd fds[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
        char block[16384];

        while (poll(fds, 2, -1) > 0)
                for (int i = 0; i < 2; i++) {
                        if (!fds[i].revents)
                                continue;
                        ssize_t n = recv(fds[i].fd, block, sizeof(block), 0);
                        if (n <= 0)
                                return;
                        send_all(fds[1 - i].fd, block, (size_t) n);
                }
}

/* All up to the blank line. 0 when the connection ends before. */
static size_t read_head(int fd, char *head, size_t size)
{
        size_t n = 0;

        while (n + 1 < size) {
                ssize_t got = recv(fd, head + n, 1, 0);
                if (got <= 0)
                        return 0;
                n++;
                head[n] = '\0';
                if (n >= 4 && strcmp(head + n - 4, "\r\n\r\n") == 0)
                        return n;
        }
        return 0;
}

static void note(struct proxy *proxy, const char *head)
{
        pthread_mutex_lock(&proxy->lock);
        size_t used = strlen(proxy->asked);
        snprintf(proxy->asked + used, sizeof(proxy->asked) - used, "%.*s\n", (int) strcspn(head, "\r"), head);
        pthread_mutex_unlock(&proxy->lock);
}

/* "HOST:PORT" at the beginning of the text. */
static int port_of(const char *text)
{
        size_t length = strcspn(text, "/ ");
        const char *colon = memrchr(text, ':', length);

        return colon ? atoi(colon + 1) : 80;
}

static void *serve(void *userdata)
{
        const struct connection *connection = userdata;
        static const char done[] = "HTTP/1.1 200 Connection established\r\n\r\n";
        char head[8192];
        int server = -1;

        if (!read_head(connection->client, head, sizeof(head)))
                return NULL;
        note(connection->proxy, head);
        if (strncmp(head, "CONNECT ", 8) == 0) {
                server = connect_to(port_of(head + 8));
                send_all(connection->client, done, server < 0 ? 0 : sizeof(done) - 1);
        } else if (strncmp(head, "GET http://", 11) == 0) {
                server = connect_to(port_of(head + 11));
                const char *path = head + 11 + strcspn(head + 11, "/ ");
                if (server >= 0) {
                        send_all(server, "GET ", 4);
                        send_all(server, path, strlen(path));
                }
        }
        if (server >= 0) {
                relay(connection->client, server);
                close(server);
        }
        shutdown(connection->client, SHUT_RDWR);
        return NULL;
}

static void *accept_all(void *userdata)
{
        struct proxy *proxy = userdata;
        int client;

        while (proxy->n < CONNECTIONS_MAX && (client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                struct connection *connection = &proxy->connections[proxy->n];
                *connection = (struct connection){ .proxy = proxy, .client = client };
                must(pthread_create(&connection->thread, NULL, serve, connection) == 0, "pthread_create");
                proxy->n++;
        }
        return NULL;
}

struct proxy *proxy_start(void)
{
        struct proxy *proxy = calloc(1, sizeof(*proxy));
        struct sockaddr_in address = loopback(0);
        socklen_t size = sizeof(address);

        must(proxy != NULL, "calloc");
        pthread_mutex_init(&proxy->lock, NULL);
        proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(bind(proxy->listener, (struct sockaddr *) &address, sizeof(address)) == 0, "bind");
        must(listen(proxy->listener, 16) == 0, "listen");
        must(getsockname(proxy->listener, (struct sockaddr *) &address, &size) == 0, "getsockname");
        proxy->port = ntohs(address.sin_port);
        must(pthread_create(&proxy->thread, NULL, accept_all, proxy) == 0, "pthread_create");
        return proxy;
}

int proxy_port(const struct proxy *proxy)
{
        return proxy->port;
}

const char *proxy_asked(struct proxy *proxy)
{
        pthread_mutex_lock(&proxy->lock);
        const char *asked = proxy->asked;
        pthread_mutex_unlock(&proxy->lock);
        return asked;
}

void proxy_stop(struct proxy *proxy)
{
        shutdown(proxy->listener, SHUT_RDWR);
        pthread_join(proxy->thread, NULL);
        close(proxy->listener);
        for (size_t i = 0; i < proxy->n; i++) {
                shutdown(proxy->connections[i].client, SHUT_RDWR);
                pthread_join(proxy->connections[i].thread, NULL);
                close(proxy->connections[i].client);
        }
        pthread_mutex_destroy(&proxy->lock);
        free(proxy);
}
