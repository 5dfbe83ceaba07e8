/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATHS_MAX 128
#define REQUESTS_MAX 512
#define CONNECTIONS_MAX 512
#define HEAD_MAX 4096

struct request {
        char path[256];
        char head[HEAD_MAX];
};

/* A connection's plain or encrypted side. */
struct stream {
        int fd;
        SSL *ssl; /* NULL: plain */
};

struct connection {
        struct faulty_server *server;
        pthread_t thread;
        int fd; /* -1 once closed; under the lock */
};

struct faulty_server {
        int listener, port;
        SSL_CTX *tls; /* NULL: plain */
        pthread_t acceptor;
        pthread_mutex_t lock;
        int stopping;
        struct faulty_path paths[PATHS_MAX];
        size_t n_paths;
        struct request *requests[REQUESTS_MAX];
        size_t n_requests;
        struct connection connections[CONNECTIONS_MAX];
        size_t n_connections;
};

/* A helper that cannot do its part must not look like a failing library. */
static void must(int fine, const char *what)
{
        if (!fine) {
                perror(what);
                abort();
        }
}

/* 0 when the peer has gone. */
static int send_all(struct stream *s, const void *data, size_t size)
{
        for (const char *p = data; size > 0;) {
                ssize_t n = s->ssl ? SSL_write(s->ssl, p, (int) size) : send(s->fd, p, size, MSG_NOSIGNAL);
                if (n <= 0)
                        return 0;
                p += n;
                size -= (size_t) n;
        }
        return 1;
}

__attribute__((format(printf, 2, 3))) static int send_text(struct stream *s, const char *format, ...)
{
        char text[1024];
        va_list args;

        va_start(args, format);
        int n = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        must(n >= 0 && (size_t) n < sizeof(text), "server: text too long");
        return send_all(s, text, (size_t) n);
}

/* Until the peer, or faulty_stop(), ends the connection. */
static void wait_for_end(struct stream *s)
{
        char byte[256];

        while (recv(s->fd, byte, sizeof(byte), 0) > 0)
                ;
}

/* One request's head, NUL-terminated; 0 at the connection's end. */
static int read_head(struct stream *s, char head[HEAD_MAX])
{
        for (size_t n = 0; n < HEAD_MAX - 1;) {
                if ((s->ssl ? SSL_read(s->ssl, head + n, 1) : recv(s->fd, head + n, 1, 0)) != 1)
                        return 0;
                head[++n] = '\0';
                if (n >= 4 && memcmp(head + n - 4, "\r\n\r\n", 4) == 0)
                        return 1;
        }
        return 0;
}

/* Remembers the request and finds what to do; the faults are taken away once they have met enough requests. */
static int look_up(struct faulty_server *server, const char *head, struct faulty_path *ret)
{
        struct request *request = calloc(1, sizeof(*request));
        int found = 0;

        must(request != NULL, "server");
        sscanf(head, "%*s %255s", request->path);
        snprintf(request->head, sizeof(request->head), "%s", head);
        pthread_mutex_lock(&server->lock);
        must(server->n_requests < REQUESTS_MAX, "server: too many requests");
        server->requests[server->n_requests++] = request;
        for (size_t i = 0; i < server->n_paths && !found; i++) {
                struct faulty_path *path = &server->paths[i];
                if (strcmp(path->path, request->path) != 0)
                        continue;
                found = 1;
                *ret = *path;
                if (path->times > 0 && --path->times == 0)
                        *path = (struct faulty_path){
                                .path = ret->path,
                                .body = ret->body,
                                .size = ret->size,
                                .wants = ret->wants,
                                .challenge = ret->challenge,
                                .type = ret->type,
                                .spurns = ret->spurns,
                        };
        }
        pthread_mutex_unlock(&server->lock);
        return found;
}

/* Where the asked-for range starts; 0 without one, or when If-Range does not hold. */
static size_t range_start(const struct faulty_path *path, const char *head, const char *validator)
{
        const char *range = strstr(head, "\r\nRange: bytes="), *condition = strstr(head, "\r\nIf-Range: ");

        if (!range || (path->flags & FAULTY_NO_RANGES))
                return 0;
        if (condition && strncmp(condition + 12, validator, strlen(validator)) != 0)
                return 0;
        return strtoul(range + 15, NULL, 10);
}

/* 1 when the connection can serve another request. */
static int send_body(struct stream *s, const struct faulty_path *path, size_t start)
{
        const char *body = (const char *) path->body + start;
        size_t size = path->size - start, end = size;
        int chunked = (path->flags & FAULTY_CHUNKED) != 0;

        if ((path->flags & (FAULTY_CUT | FAULTY_RESET | FAULTY_STALL)) && path->cut < size)
                end = path->cut;
        for (size_t i = 0, n; i < end; i += n) {
                n = path->chunk && path->chunk < end - i ? path->chunk : end - i;
                if (chunked && !send_text(s, "%zx\r\n", n))
                        return 0;
                if (!send_all(s, body + i, n) || (chunked && !send_text(s, "\r\n")))
                        return 0;
                if (path->delay_ms)
                        nanosleep(&(struct timespec){ .tv_nsec = path->delay_ms * 1000000L }, NULL);
        }
        if (path->flags & FAULTY_STALL)
                wait_for_end(s);
        if (path->flags & (FAULTY_CUT | FAULTY_RESET | FAULTY_STALL | FAULTY_CLOSE_ENDS))
                return 0;
        return path->length_off == 0 && (!chunked || send_text(s, "0\r\n\r\n"));
}

static int send_file(struct stream *s, const struct faulty_path *path, const char *head)
{
        static const char date[] = "Mon, 05 Jan 2015 10:00:00 GMT";
        char validator[64];

        snprintf(validator, sizeof(validator), "\"%zu\"", path->size);
        if (path->etag)
                snprintf(validator, sizeof(validator), "%s", path->etag);
        if (path->flags & FAULTY_DATE)
                snprintf(validator, sizeof(validator), "%s", date);
        size_t start = range_start(path, head, validator);
        if (start >= path->size && start > 0)
                return send_text(s, "HTTP/1.1 416 Beyond\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n",
                                 path->size);
        if (!send_text(s, "HTTP/1.1 %s\r\nDate: Mon, 05 Jan 2026 10:00:00 GMT\r\n",
                       start > 0 ? "206 Part" : "200 Fine"))
                return 0;
        if (start > 0 && !(path->flags & FAULTY_NO_CONTENT_RANGE))
                send_text(s, "Content-Range: bytes %ld-%zu/%ld\r\n", (long) start + path->range_off, path->size - 1,
                          (long) path->size + path->total_off);
        if (!(path->flags & FAULTY_NO_ETAG))
                send_text(s, "%s: %s\r\n", path->flags & FAULTY_DATE ? "Last-Modified" : "ETag", validator);
        if (path->type)
                send_text(s, "Content-Type: %s\r\n", path->type);
        if (path->flags & FAULTY_CHUNKED)
                send_text(s, "Transfer-Encoding: chunked\r\n");
        else if (path->flags & FAULTY_CLOSE_ENDS)
                send_text(s, "Connection: close\r\n");
        else
                send_text(s, "Content-Length: %ld\r\n", (long) (path->size - start) + path->length_off);
        return send_text(s, "\r\n") && send_body(s, path, start);
}

static int send_status(struct stream *s, const struct faulty_path *path)
{
        send_text(s, "HTTP/1.1 %d Scripted\r\nETag: \"of-the-page\"\r\n", path->status);
        if (path->location)
                send_text(s, "Location: %s\r\n", path->location);
        if (path->retry_after)
                send_text(s, "Retry-After: %s\r\n", path->retry_after);
        const char *page = path->page ? path->page : "sorry";
        if (!(path->flags & FAULTY_ENDLESS_BODY))
                return send_text(s, "Content-Length: %zu\r\n\r\n%s", strlen(page), page);
        send_text(s, "Transfer-Encoding: chunked\r\n\r\n");
        while (send_text(s, "5\r\nsorry\r\n"))
                ;
        return 0;
}

/* Whether the request may be answered as scripted; else it is answered here. *ret_again is whether the connection can serve
 * another request. */
static int may_pass(struct stream *s, const struct faulty_path *path, const char *head, int *ret_again)
{
        char line[HEAD_MAX];

        snprintf(line, sizeof(line), "\r\nAuthorization: %s\r\n", path->wants ? path->wants : "");
        if (path->spurns && strstr(head, "\r\nAuthorization:")) {
                *ret_again = send_text(s, "HTTP/1.1 400 Spurned\r\nContent-Length: 0\r\n\r\n");
                return 0;
        }
        if (!path->wants || strstr(head, line))
                return 1;
        *ret_again = send_text(s, "HTTP/1.1 401 Unknown\r\n%s%s%sContent-Length: %zu\r\n\r\n%s",
                               path->challenge ? "WWW-Authenticate: " : "", path->challenge ? path->challenge : "",
                               path->challenge ? "\r\n" : "", path->page ? strlen(path->page) : 0,
                               path->page ? path->page : "");
        return 0;
}

static int serve(struct connection *connection, struct stream *s)
{
        struct faulty_path path = { 0 };
        char head[HEAD_MAX];
        int again;

        if (!read_head(s, head))
                return 0;
        if (!look_up(connection->server, head, &path))
                return send_text(s, "HTTP/1.1 404 None\r\nContent-Length: 4\r\n\r\nnone");
        if (!may_pass(s, &path, head, &again))
                return again;
        if (path.flags & FAULTY_SILENT) {
                wait_for_end(s);
                return 0;
        }
        if (path.flags & FAULTY_GARBAGE) {
                send_text(s, "what is it you want from me?\r\n\r\n");
                return 0;
        }
        if (path.flags & FAULTY_ENDLESS_HEAD) {
                send_text(s, "HTTP/1.1 200 Fine\r\n");
                while (send_text(s, "X-Padding: %0512d\r\n", 0))
                        ;
                return 0;
        }
        if (path.status)
                return send_status(s, &path);
        again = send_file(s, &path, head);
        if (path.flags & FAULTY_RESET) /* what was sent is on its way; the close that follows resets */
                setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &(struct linger){ .l_onoff = 1 }, sizeof(struct linger));
        return again;
}

static void *connection_thread(void *userdata)
{
        struct connection *connection = userdata;
        struct faulty_server *server = connection->server;

        pthread_mutex_lock(&server->lock);
        struct stream s = { .fd = connection->fd };
        pthread_mutex_unlock(&server->lock);
        if (server->tls) {
                s.ssl = SSL_new(server->tls);
                must(s.ssl && SSL_set_fd(s.ssl, s.fd) == 1, "server: TLS");
        }
        if (!s.ssl || SSL_accept(s.ssl) == 1)
                while (serve(connection, &s))
                        ;
        SSL_free(s.ssl);
        pthread_mutex_lock(&server->lock);
        close(s.fd);
        connection->fd = -1;
        pthread_mutex_unlock(&server->lock);
        return NULL;
}

static void *accept_thread(void *userdata)
{
        struct faulty_server *server = userdata;

        for (int fd; (fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0;) {
                pthread_mutex_lock(&server->lock);
                if (server->stopping) {
                        close(fd);
                } else {
                        must(server->n_connections < CONNECTIONS_MAX, "server: too many connections");
                        struct connection *connection = &server->connections[server->n_connections++];
                        *connection = (struct connection){ .server = server, .fd = fd };
                        must(pthread_create(&connection->thread, NULL, connection_thread, connection) == 0, "server");
                }
                pthread_mutex_unlock(&server->lock);
        }
        return NULL;
}

struct faulty_server *faulty_start(void)
{
        return faulty_start_tls(NULL);
}

struct faulty_server *faulty_start_tls(const char *certificate)
{
        struct faulty_server *server = calloc(1, sizeof(*server));
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);

        must(server != NULL, "server");
        pthread_mutex_init(&server->lock, NULL);
        server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        must(server->listener >= 0, "server: socket");
        must(bind(server->listener, (struct sockaddr *) &address, size) == 0, "server: bind");
        must(listen(server->listener, 64) == 0, "server: listen");
        must(getsockname(server->listener, (struct sockaddr *) &address, &size) == 0, "server: getsockname");
        server->port = ntohs(address.sin_port);
        if (certificate) {
                signal(SIGPIPE, SIG_IGN); /* SSL_write() has no flag for it */
                server->tls = SSL_CTX_new(TLS_server_method());
                must(server->tls && SSL_CTX_use_certificate_file(server->tls, certificate, SSL_FILETYPE_PEM) == 1 &&
                             SSL_CTX_use_PrivateKey_file(server->tls, certificate, SSL_FILETYPE_PEM) == 1,
                     certificate);
        }
        must(pthread_create(&server->acceptor, NULL, accept_thread, server) == 0, "server");
        return server;
}

int faulty_port(const struct faulty_server *server)
{
        return server->port;
}

void faulty_add(struct faulty_server *server, const struct faulty_path *path)
{
        size_t i = 0;

        pthread_mutex_lock(&server->lock);
        while (i < server->n_paths && strcmp(server->paths[i].path, path->path) != 0)
                i++;
        must(i < PATHS_MAX, "server: too many paths");
        server->paths[i] = *path;
        if (i == server->n_paths)
                server->n_paths++;
        pthread_mutex_unlock(&server->lock);
}

unsigned faulty_count(struct faulty_server *server, const char *path)
{
        unsigned count = 0;

        pthread_mutex_lock(&server->lock);
        for (size_t i = 0; i < server->n_requests; i++)
                count += strcmp(server->requests[i]->path, path) == 0;
        pthread_mutex_unlock(&server->lock);
        return count;
}

const char *faulty_head(struct faulty_server *server, const char *path, unsigned n)
{
        const char *head = "";

        pthread_mutex_lock(&server->lock);
        for (size_t i = 0; i < server->n_requests; i++)
                if (strcmp(server->requests[i]->path, path) == 0 && n-- == 0) {
                        head = server->requests[i]->head;
                        break;
                }
        pthread_mutex_unlock(&server->lock);
        return head;
}

void faulty_stop(struct faulty_server *server)
{
        if (!server)
                return;
        pthread_mutex_lock(&server->lock);
        server->stopping = 1;
        for (size_t i = 0; i < server->n_connections; i++)
                if (server->connections[i].fd >= 0)
                        shutdown(server->connections[i].fd, SHUT_RDWR);
        pthread_mutex_unlock(&server->lock);
        shutdown(server->listener, SHUT_RDWR);
        pthread_join(server->acceptor, NULL);
        close(server->listener);
        for (size_t i = 0; i < server->n_connections; i++)
                pthread_join(server->connections[i].thread, NULL);
        for (size_t i = 0; i < server->n_requests; i++)
                free(server->requests[i]);
        pthread_mutex_destroy(&server->lock);
        SSL_CTX_free(server->tls);
        free(server);
}
