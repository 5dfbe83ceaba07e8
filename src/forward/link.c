/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
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

static void watch(struct forward_link *link)
{
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                if (link->listeners[i].fd >= 0)
                        forward_watch(link->listeners[i].fd, &link->listeners[i].source, EPOLLIN);
}

static void unwatch(struct forward_link *link)
{
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                if (link->listeners[i].fd >= 0)
                        forward_unwatch(link->listeners[i].fd);
}

static void end_pause(struct forward_timer *timer)
{
        watch((void *) ((char *) timer - offsetof(struct forward_link, pause)));
}

/* Accepts what waits. A queue that cannot be emptied now is left alone for a while. */
static void accept_ready(struct forward_source *source, uint32_t events)
{
        struct forward_listener *listener = (void *) ((char *) source - offsetof(struct forward_listener, source));
        struct forward_link *link = listener->link;

        (void) events;
        for (int i = 0; i < BATCH && listener->fd >= 0; i++) {
                int fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (fd >= 0) {
                        forward_connection_begin(link, fd);
                        continue;
                }
                if (errno == ENFILE || errno == EMFILE || errno == ENOBUFS || errno == ENOMEM) {
                        unwatch(link);
                        forward_timer_set(&link->pause, mf_now_us() + PAUSE_US);
                }
                if (errno != EINTR && errno != ECONNABORTED)
                        return;
        }
}

static void bury(struct forward_task *task)
{
        free((char *) task - offsetof(struct forward_link, grave));
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
        link->grave.run = bury;
        link->pause.expired = end_pause;
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                link->listeners[i] = (struct forward_listener){ .source.ready = accept_ready, .link = link, .fd = -1 };
        link->next = links;
        links = link;
        return link;
}

static int check_target(const struct mf_forward_target *target, struct forward_text *text)
{
        if (target->kind == MF_FORWARD_UNIX ? target->path[0] != '/' : target->port < 1 || target->port > 65535)
                return forward_say(text, -EINVAL, "port %u, path \"%.100s\": nothing to connect to", target->port,
                                   target->path);
        if (target->kind != MF_FORWARD_UNIX && target->kind != MF_FORWARD_TCP)
                return forward_say(text, -EINVAL, "kind %u of a target is not known", target->kind);
        return 0;
}

int forward_link_listen(const struct mf_forward_request *request, const int *fds, size_t n_fds,
                        struct forward_text *text)
{
        int one = 1;

        int r = check_target(&request->target, text);
        if (r < 0)
                return r;
        if (n_fds == 0)
                return forward_say(text, -EINVAL, "LISTEN without a socket");
        if (find(request->link))
                return forward_say(text, -EEXIST, "link %u is there already", request->link);
        struct forward_link *link = make(request);
        if (!link)
                return forward_say(text, -ENOMEM, "out of memory");
        for (size_t i = 0; i < n_fds; i++) {
                link->listeners[i].fd = fds[i];
                /* What it accepts inherits the option. */
                setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
                fcntl(fds[i], F_SETFL, O_NONBLOCK);
        }
        if (forward_has_entered())
                watch(link);
        return 0;
}

int forward_link_close(uint32_t number, struct forward_text *text)
{
        struct forward_link **link = &links;

        while (*link && (*link)->number != number)
                link = &(*link)->next;
        if (!*link)
                return forward_say(text, -ENOENT, "there is no link %u", number);
        struct forward_link *gone = *link;
        *link = gone->next;
        while (gone->connections)
                forward_connection_reset(gone->connections);
        forward_timer_clear(&gone->pause);
        forward_timers_release(1);
        for (size_t i = 0; i < MF_FORWARD_FDS_MAX; i++)
                gone->listeners[i].fd = mf_close(gone->listeners[i].fd);
        forward_later(&gone->grave);
        return 0;
}

int forward_link_faults(const struct mf_forward_request *request, struct forward_text *text)
{
        struct forward_link *link = find(request->link);

        if (!link)
                return forward_say(text, -ENOENT, "there is no link %u", request->link);
        return forward_say(text, -ENOTSUP, "faults are not there yet");
}

void forward_links_begin(void)
{
        for (struct forward_link *link = links; link; link = link->next)
                watch(link);
}
