/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward/forward.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/time.h"

#define BATCH 64        /* connections that are accepted before others are served */
#define PAUSE_US 50000U /* when the kernel has no memory or descriptor for one more */

static struct forward_link *links;

static struct forward_link *find(uint32_t number)
{
        struct forward_link *link = links;

        while (link && link->number != number)
                link = link->next;
        return link;
}

/* Waits for connections. Returns 0 or negative errno. */
static int watch(struct forward_link *link)
{
        int r = 0;

        for (size_t i = 0; i < MF_FORWARD_FDS_MAX && r == 0; i++)
                if (link->listeners[i].fd >= 0)
                        r = forward_watch(link->listeners[i].fd, &link->listeners[i].source, EPOLLIN);
        return r;
}

static void unwatch(struct forward_link *link)
{
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                if (link->listeners[i].fd >= 0)
                        forward_unwatch(link->listeners[i].fd);
}

static void end_pause(struct forward_timer *timer)
{
        struct forward_link *link = (void *) ((char *) timer - offsetof(struct forward_link, pause));

        if (watch(link) == 0)
                return;
        unwatch(link); /* maybe one of two */
        forward_timer_set(&link->pause, mf_now_us() + PAUSE_US);
}

/* Accepts what waits. A queue that cannot be emptied now is left alone for a while. */
static void accept_ready(struct forward_source *source, uint32_t events)
{
        struct forward_listener *listener = (void *) ((char *) source - offsetof(struct forward_listener, source));
        struct forward_link *link = listener->link;

        (void) events;
        if (link->clients) {
                forward_datagrams_ready(listener);
                return;
        }
        for (int i = 0; i < BATCH; i++) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0 && link->faults.refuse)
                        forward_reset_socket(fd);
                else if (fd >= 0)
                        forward_connection_begin(link, fd);
                if (fd >= 0)
                        continue;
                if (errno == ENFILE || errno == EMFILE || errno == ENOBUFS || errno == ENOMEM) {
                        unwatch(link);
                        forward_timer_set(&link->pause, mf_now_us() + PAUSE_US);
                }
                if (errno != EINTR && errno != ECONNABORTED)
                        return;
        }
}

static struct forward_link *make(const struct mf_forward_request *request)
{
        struct forward_link *link = calloc(1, sizeof(*link));

        if (!link || forward_timers_reserve(1) < 0) {
                free(link);
                return NULL;
        }
        link->number = request->link;
        link->target = request->target;
        link->pause.expired = end_pause;
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                link->listeners[i] = (struct forward_listener){ .source.ready = accept_ready, .link = link, .fd = -1 };
        if (link->target.kind == MF_FORWARD_UDP && forward_clients_init(link) < 0) {
                forward_timers_release(1);
                free(link);
                return NULL;
        }
        link->next = links;
        links = link;
        return link;
}

/* Takes back the link that was made last, which has no connections. */
static void unmake(struct forward_link *link)
{
        links = link->next;
        forward_clients_free(link);
        forward_timers_release(1);
        free(link);
}

static int check(const struct mf_forward_request *request, struct forward_text *text)
{
        const struct mf_forward_target *target = &request->target;

        if (target->kind != MF_FORWARD_UNIX && target->kind != MF_FORWARD_TCP && target->kind != MF_FORWARD_UDP)
                return forward_say(text, -EINVAL, "kind %u of a target is not known", target->kind);
        if (target->kind == MF_FORWARD_UNIX && target->path[0] != '/')
                return forward_say(text, -EINVAL, "\"%.100s\" is no absolute path of a socket", target->path);
        if (target->kind != MF_FORWARD_UNIX && (target->port < 1 || target->port > 65535))
                return forward_say(text, -EINVAL, "%u is no number of a port", target->port);
        return find(request->link) ? forward_say(text, -EEXIST, "link %u is there already", request->link) : 0;
}

static void add_listener(struct forward_link *link, size_t i, int fd)
{
        link->listeners[i].fd = fd;
        /* What it accepts inherits the options. */
        if (!link->clients)
                forward_set_options(fd);
        fcntl(fd, F_SETFL, O_NONBLOCK);
}

/* Returns a socket on which the container finds a port of the host, or negative errno. */
static int listen_inside(const struct mf_forward_target *target)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t) target->port) };
        int type = target->kind == MF_FORWARD_TCP ? SOCK_STREAM : SOCK_DGRAM, one = 1;
        mf_cleanup(mf_closep) int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

        if (fd < 0)
                return -errno;
        inet_pton(AF_INET, MF_HOST_ADDRESS, &address.sin_addr);
        if (type == SOCK_STREAM)
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        if (bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0)
                return -errno;
        return type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0 ? -errno : mf_take_fd(&fd);
}

/* Begins to accept. Returns 0 or negative errno with a text. */
static int begin(struct forward_link *link, struct forward_text *text)
{
        if (link->is_host) {
                if (!forward_host_is_there())
                        return forward_say(text, -ENOTSUP, "the container was not entered with host ports");
                int fd = listen_inside(&link->target);
                if (fd < 0)
                        return forward_say(text, fd, "listening on port %u of " MF_HOST_ADDRESS " in the container",
                                           link->target.port);
                add_listener(link, 0, fd);
        }
        int r = watch(link);
        return r < 0 ? forward_say(text, r, "waiting for connections to a port") : 0;
}

int forward_link_listen(const struct mf_forward_request *request, const int *fds, size_t n_fds,
                        struct forward_text *text)
{
        if (n_fds == 0)
                return forward_say(text, -EINVAL, "LISTEN without a socket");
        int r = check(request, text);
        if (r < 0)
                return r;
        struct forward_link *link = make(request);
        if (!link)
                return forward_say(text, -ENOMEM, "out of memory");
        for (size_t i = 0; i < n_fds; i++)
                add_listener(link, i, fds[i]);
        r = forward_has_entered() ? begin(link, text) : 0;
        if (r < 0) { /* the caller has the descriptors still */
                unwatch(link);
                unmake(link);
        }
        return r;
}

int forward_link_host(const struct mf_forward_request *request, struct forward_text *text)
{
        int r = check(request, text);
        if (r < 0)
                return r;
        if (request->target.kind == MF_FORWARD_UNIX)
                return forward_say(text, -EINVAL, "a port of the host is no Unix socket");
        struct forward_link *link = make(request);
        if (!link)
                return forward_say(text, -ENOMEM, "out of memory");
        link->is_host = 1;
        r = forward_has_entered() ? begin(link, text) : 0;
        if (r < 0) {
                mf_close(link->listeners[0].fd);
                unmake(link);
        }
        return r;
}

void forward_set_options(int fd)
{
        const int one = 1;

        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &one, sizeof(one));
        /* BBR, the default of some hosts, paces what it sends, and bulk takes half as long again. Anybody may use this one. */
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", sizeof("reno") - 1);
}

int forward_link_socket(const struct forward_link *link, int family, int type)
{
        if (link->is_host)
                return forward_host_socket(type);
        int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return fd < 0 ? -errno : fd;
}

/* Whether a direction has a fault that packets cannot have. */
static int is_for_streams(const struct mf_forward_flow *faults)
{
        return faults->bytes_per_s || faults->cut_after || faults->corrupt_at;
}

/* Sets the faults of a link's open connections, too. */
static void update(struct forward_link *link)
{
        struct forward_connection *connection = link->connections, *next;

        for (; connection; connection = next) {
                next = connection->next;
                if (link->faults.reset)
                        forward_connection_reset(connection);
                else
                        forward_connection_update(connection);
        }
        link->faults.reset = 0;
        if (link->clients)
                forward_clients_update(link);
}

int forward_link_faults(const struct mf_forward_request *request, struct forward_text *text)
{
        const struct mf_forward_faults *faults = &request->faults;
        struct forward_link *link = find(request->link);

        if (!link)
                return forward_say(text, -ENOENT, "there is no link %u", request->link);
        if (link->clients && (is_for_streams(&faults->up) || is_for_streams(&faults->down) || faults->slow_close_us ||
                              faults->refuse || faults->reset))
                return forward_say(text, -ENOTSUP,
                                   "a UDP port can have latency and jitter and be stopped, and nothing else");
        link->faults = *faults;
        update(link);
        return 0;
}

int forward_links_begin(struct forward_text *text)
{
        int r = 0;

        for (struct forward_link *link = links; r == 0 && link; link = link->next)
                r = begin(link, text);
        return r;
}
