/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "container/container.h"
#include "container/ports.h"
#include "image/open.h"
#include "util/error.h"
#include "util/fd.h"
#include "util/macro.h"
#include "util/options.h"
#include "util/trace.h"

/* The host's ends of published ports. They are bound before the container starts, so that nobody can take the number, and
 * belong to mayfly-forward as soon as the container runs. */

#define PORT_MAX 65535U
#define FREE_NUMBERS_MAX 32U /* how many numbers that are free with IPv4 are tried with IPv6 */

static const struct mf_option_kind kind =
        MF_OPTION_KIND("the port to publish", "MAYFLY_PUBLISH_INIT", struct mayfly_publish, activate);

/* --- binding ---------------------------------------------------------------------------------------------------- */

static int set_reuse(int fd, int is_on)
{
        return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &is_on, sizeof(is_on)) < 0 ? -errno : 0;
}

static int make_socket(int family, int is_udp, int flags)
{
        int fd = socket(family, (is_udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | flags, 0);

        return fd < 0 ? -errno : fd;
}

/* Makes a socket that has a number, of *address or a free one, and lets only this library bind it again: mayfly-forward gets another
 * one, which goes with the container, and after that the number is still the container's. It never listens, so that connections to
 * a dead container are refused. Returns the descriptor or negative errno. */
static int reserve(struct sockaddr_in *address, int is_udp)
{
        mf_cleanup(mf_closep) int fd = make_socket(AF_INET, is_udp, 0);
        socklen_t size = sizeof(*address);

        if (fd < 0)
                return fd;
        /* A port that was just in use can be asked for again. With UDP the option would let two have one port. */
        int r = set_reuse(fd, !is_udp);
        if (r == 0 && (bind(fd, (struct sockaddr *) address, size) < 0 ||
                       getsockname(fd, (struct sockaddr *) address, &size) < 0))
                r = -errno;
        /* From nobody but itself does it take packets now. */
        if (r == 0 && is_udp && connect(fd, (struct sockaddr *) address, size) < 0)
                r = -errno;
        return r < 0 ? r : mf_take_fd(&fd);
}

/* Binds an address and, for TCP, listens there. Returns the descriptor or negative errno. */
static int bind_address(const struct sockaddr *address, socklen_t size, const struct mf_link *link, int reuses)
{
        int is_udp = link->inside.kind == MF_FORWARD_UDP;
        mf_cleanup(mf_closep) int fd = make_socket(address->sa_family, is_udp, link->is_activated ? 0 : SOCK_NONBLOCK);
        int one = 1;

        if (fd < 0)
                return fd;
        if (reuses && set_reuse(fd, 1) < 0)
                return -errno;
        if (address->sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0)
                return -errno;
        if (bind(fd, address, size) < 0 || (!is_udp && listen(fd, SOMAXCONN) < 0))
                return -errno;
        return mf_take_fd(&fd);
}

/* Binds 127.0.0.1 and, where the host has it and mayfly-forward listens, [::1], with the number that is reserved. */
static int bind_reserved(struct mf_link *link)
{
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                   .sin6_port = link->sockaddr.sin_port };
        int is_udp = link->inside.kind == MF_FORWARD_UDP;

        int r = set_reuse(link->reserve, 1);
        if (r < 0)
                return r;
        mf_cleanup(mf_closep) int fd =
                bind_address((struct sockaddr *) &link->sockaddr, sizeof(link->sockaddr), link, 1);
        (void) set_reuse(link->reserve, 0);
        if (fd < 0)
                return fd;
        /* An app that is activated expects one descriptor for a port. */
        int second =
                link->is_activated ? -EADDRNOTAVAIL : bind_address((struct sockaddr *) &v6, sizeof(v6), link, !is_udp);
        if (second < 0 && second != -EADDRNOTAVAIL && second != -EAFNOSUPPORT)
                return second;
        link->fds[0] = mf_take_fd(&fd);
        link->fds[1] = second;
        link->n_fds = second >= 0 ? 2 : 1;
        return 0;
}

/* Binds the number `port`, or a free one. */
static int bind_both(struct mf_link *link, unsigned port)
{
        link->sockaddr = (struct sockaddr_in){ .sin_family = AF_INET,
                                               .sin_port = htons((uint16_t) port),
                                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
        link->reserve = reserve(&link->sockaddr, link->inside.kind == MF_FORWARD_UDP);
        int r = link->reserve < 0 ? link->reserve : bind_reserved(link);
        if (r < 0)
                link->reserve = mf_close(link->reserve);
        return r;
}

static int bind_link(struct mf_link *link, struct mayfly_error *err)
{
        char owner[128] = "", shown[200];
        int r = -EADDRINUSE;

        for (unsigned i = 0; r == -EADDRINUSE && i < (link->wanted ? 1U : FREE_NUMBERS_MAX); i++)
                r = bind_both(link, link->wanted);
        if (r == 0)
                return 0;
        mf_port_show(&link->inside, shown, sizeof(shown));
        if (r == -EADDRINUSE && link->wanted) {
                int is_udp = link->inside.kind == MF_FORWARD_UDP;
                int is_known = mf_port_owner(is_udp, link->wanted, owner, sizeof(owner));
                return mf_error(err, r, MAYFLY_STAGE_NETWORK,
                                "the port %s cannot be published at 127.0.0.1:%u, which is in use by %s; end that, or "
                                "leave host_port out, and the kernel chooses a free one",
                                shown, link->wanted, is_known ? owner : "a process that this user cannot see");
        }
        if (r == -EACCES)
                return mf_error(err, r, MAYFLY_STAGE_NETWORK,
                                "the port %s cannot be published at 127.0.0.1:%u, a number that only root may bind; "
                                "leave host_port out, or use a number from 1024 on",
                                shown, link->wanted);
        return mf_error_errno(err, r, MAYFLY_STAGE_NETWORK, "binding a port of 127.0.0.1 for the port %s", shown);
}

static void write_address(struct mf_link *link)
{
        inet_ntop(AF_INET, &link->sockaddr.sin_addr, link->host, sizeof(link->host));
        snprintf(link->text, sizeof(link->text), "%s:%u", link->host, (unsigned) ntohs(link->sockaddr.sin_port));
}

/* --- what is to be published ------------------------------------------------------------------------------------ */

/* Whether the spec may give a port this name. */
static int is_name(const char *name)
{
        return *name && (*name < '0' || *name > '9') && !strpbrk(name, "/:");
}

/* Checks one entry of the spec, and sets what it publishes. */
static int take(const struct mayfly_container *container, const struct mayfly_publish *given, struct mf_link *ret,
                struct mayfly_error *err)
{
        char text[32 + sizeof("/") + 60];
        int r;

        if (given->host_port > PORT_MAX || given->port > PORT_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has the port number %u; a port is between 1 and %u",
                                given->port > PORT_MAX ? given->port : given->host_port, PORT_MAX);
        if (given->name && (given->port || given->path) && !is_name(given->name))
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "publish has the name \"%.100s\"; a name begins with no digit, so that it is no number of "
                        "a port, and has neither \"/\" nor \":\"",
                        given->name);
        if (given->path && (given->port || given->protocol))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has both the path %.200s and a %s; a Unix socket has only a path", given->path,
                                given->port ? "port" : "protocol");
        if (given->path) {
                mf_cleanup(mf_freep) char *name = NULL;
                if (asprintf(&name, "unix:%s", given->path) < 0) {
                        name = NULL;
                        return mf_error_oom(err, MAYFLY_STAGE_SPEC);
                }
                r = mf_port_parse(container, name, &ret->inside, err);
                ret->inside.path = r == 0 ? given->path : NULL;
                return r;
        }
        if (given->port) {
                snprintf(text, sizeof(text), "%u/%.60s", given->port, given->protocol ? given->protocol : "tcp");
                return mf_port_parse(container, text, &ret->inside, err);
        }
        if (!given->name)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has an entry without port, name and path; give one of them");
        r = mf_port_parse(container, given->name, &ret->inside, err);
        if (r < 0 || !given->protocol)
                return r;
        snprintf(text, sizeof(text), "%u/%.60s", ret->inside.port, given->protocol);
        return mf_port_parse(container, text, &ret->inside, err);
}

static int is_known(const struct mayfly_container *container, const struct mf_link *link, struct mayfly_error *err)
{
        char shown[200], other[200];

        mf_port_show(&link->inside, shown, sizeof(shown));
        for (size_t i = 0; i < container->links.n; i++) {
                const struct mf_link *known = container->links.list[i];
                if (known->is_host_port != link->is_host_port)
                        continue;
                if (mf_port_is_same(&known->inside, &link->inside) && link->is_host_port)
                        return mf_error(err, -EEXIST, MAYFLY_STAGE_SPEC, "host_ports has %s twice; leave one out",
                                        shown);
                if (mf_port_is_same(&known->inside, &link->inside))
                        return mf_error(err, -EEXIST, MAYFLY_STAGE_SPEC, "the port %s is published already, at %s",
                                        shown, known->text);
                if (link->name && known->name && strcmp(link->name, known->name) == 0)
                        return mf_error(err, -EEXIST, MAYFLY_STAGE_SPEC,
                                        "two published ports, %s and %s, have the name \"%.100s\"; give them two names",
                                        mf_port_show(&known->inside, other, sizeof(other)), shown, link->name);
        }
        return 0;
}

/* The numbers of links never come again, so that a request is never about another link. */
static int add_link(struct mayfly_container *container, struct mf_link *link, struct mayfly_error *err)
{
        struct mf_link *copy = malloc(sizeof(*copy));
        struct mf_link **grown = copy ? (struct mf_link **) reallocarray((void *) container->links.list,
                                                                         container->links.n + 1, sizeof(copy))
                                      : NULL;

        if (!grown) {
                free(copy);
                return mf_error_oom(err, MAYFLY_STAGE_NETWORK);
        }
        link->link = ++container->links.last_number;
        *copy = *link;
        *link = (struct mf_link){ .reserve = -1 };
        container->links.list = grown;
        grown[container->links.n++] = copy;
        return 0;
}

/* Whether the app, and not mayfly, listens on the published port. */
static int is_own_port(const struct mayfly_container *container, const struct mf_link *link)
{
        return container->spec.network == MAYFLY_NETWORK_HOST && !link->is_activated;
}

static int check_activated(const struct mayfly_container *container, const struct mf_link *link,
                           struct mayfly_error *err)
{
        if (link->inside.kind == MF_FORWARD_UNIX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has activate for the Unix socket %.200s, but the app can be handed ports of "
                                "TCP and UDP only; leave out activate",
                                link->inside.path);
        if (!mf_container_runs_app(container))
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has activate for port %u, but the container runs no app that could be handed "
                                "the socket; leave out activate",
                                link->inside.port);
        if (container->spec.boot)
                return mf_error(
                        err, -EINVAL, MAYFLY_STAGE_SPEC,
                        "publish has activate for port %u with boot, but an init system opens the sockets of its "
                        "units itself; leave out activate, and have a .socket unit that listens on the port",
                        link->inside.port);
        return 0;
}

/* On the network of the host the app's own port is the published one. */
static int use_own_port(struct mf_link *link, struct mayfly_error *err)
{
        if (link->inside.kind == MF_FORWARD_UNIX)
                return mf_error(err, -ENOTSUP, MAYFLY_STAGE_SPEC,
                                "the Unix socket %s cannot be published on the network of the host; use "
                                "mayfly_container_connect(), or leave out MAYFLY_NETWORK_HOST",
                                link->inside.path);
        if (link->wanted && link->wanted != link->inside.port)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "publish has host_port %u for port %u, but on the network of the host the app's own "
                                "port is the published one; leave out host_port or MAYFLY_NETWORK_HOST",
                                link->wanted, link->inside.port);
        link->sockaddr = (struct sockaddr_in){ .sin_family = AF_INET,
                                               .sin_port = htons((uint16_t) link->inside.port),
                                               .sin_addr = { htonl(INADDR_LOOPBACK) } };
        return 0;
}

/* Takes an entry of the spec to the container's links, bound. */
static int publish(struct mayfly_container *container, const struct mayfly_publish *given, struct mayfly_error *err)
{
        struct mf_link link = { .wanted = given->host_port, .is_activated = given->activate != 0, .reserve = -1 };

        int r = take(container, given, &link, err);
        if (r == 0 && link.is_activated)
                r = check_activated(container, &link, err);
        if (link.inside.path) {
                link.inside.path = strdup(link.inside.path);
                if (!link.inside.path)
                        r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
        }
        if (r == 0 && given->name && !(link.name = strdup(given->name)))
                r = mf_error_oom(err, MAYFLY_STAGE_SPEC);
        if (r == 0)
                r = is_known(container, &link, err);
        if (r == 0)
                r = is_own_port(container, &link) ? use_own_port(&link, err) : bind_link(&link, err);
        if (r == 0) {
                write_address(&link);
                r = add_link(container, &link, err);
        }
        mf_link_clear(&link);
        return r;
}

static int open_host_port(struct mayfly_container *container, const struct mayfly_host_port *given,
                          struct mayfly_error *err)
{
        struct mf_link link = { .is_host_port = 1, .reserve = -1 };
        char text[32 + sizeof("/") + 60];

        if (given->port == 0 || given->port > PORT_MAX)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "host_ports has the port number %u; a port is between 1 and %u", given->port, PORT_MAX);
        snprintf(text, sizeof(text), "%u/%.60s", given->port, given->protocol ? given->protocol : "tcp");
        int r = mf_port_parse(container, text, &link.inside, err);
        if (r == 0)
                r = is_known(container, &link, err);
        if (r < 0)
                return r;
        link.sockaddr = (struct sockaddr_in){ .sin_family = AF_INET,
                                              .sin_port = htons((uint16_t) given->port),
                                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
        write_address(&link);
        return add_link(container, &link, err);
}

static void close_sockets(struct mf_link *link)
{
        for (size_t i = 0; i < link->n_fds; i++)
                link->fds[i] = mf_close(link->fds[i]);
        link->n_fds = 0;
}

int mf_ports_bind(struct mayfly_container *container, struct mayfly_error *err)
{
        MF_TRACE("ports", container->machine);
        int r = 0;

        for (const struct mayfly_publish *e = container->spec.publish; r == 0 && e->size; e++)
                r = publish(container, e, err);
        for (const struct mayfly_host_port *e = container->spec.host_ports; r == 0 && e->size; e++)
                r = open_host_port(container, e, err);
        return r;
}

int mf_ports_bind_again(struct mayfly_container *container, struct mayfly_error *err)
{
        char shown[200];

        for (size_t i = 0; i < container->links.n; i++) {
                struct mf_link *link = container->links.list[i];
                if (link->is_host_port || link->reserve < 0)
                        continue;
                close_sockets(link);
                int r = bind_reserved(link);
                if (r < 0)
                        return mf_error_errno(err, r, MAYFLY_STAGE_NETWORK,
                                              "listening on %s again for the port %s; does another process have the "
                                              "number for [::1]?",
                                              link->text, mf_port_show(&link->inside, shown, sizeof(shown)));
        }
        return 0;
}

void mf_ports_release(struct mayfly_container *container)
{
        for (size_t i = 0; i < container->links.n; i++) {
                close_sockets(container->links.list[i]);
                container->links.list[i]->reserve = mf_close(container->links.list[i]->reserve);
        }
}

int mf_ports_need_host(const struct mayfly_container *container)
{
        return container->spec.host_ports->size && container->spec.network != MAYFLY_NETWORK_HOST;
}

/* --- requests to mayfly-forward --------------------------------------------------------------------------------- */

static void write_request(const struct mf_link *link, struct mf_forward_request *ret)
{
        *ret = (struct mf_forward_request){ .type = link->is_host_port ? MF_FORWARD_HOST_PORT : MF_FORWARD_LISTEN,
                                            .link = link->link,
                                            .target = { .kind = link->inside.kind, .port = link->inside.port } };
        if (link->inside.path)
                snprintf(ret->target.path, sizeof(ret->target.path), "%s", link->inside.path);
}

int mf_ports_queue(struct mayfly_container *container, struct mayfly_error *err)
{
        int r = 0;

        container->n_queued_links = 0;
        if (container->spec.network == MAYFLY_NETWORK_HOST)
                return 0;
        for (size_t i = 0; r == 0 && i < container->links.n; i++) {
                const struct mf_link *link = container->links.list[i];
                struct mf_forward_request request;
                write_request(link, &request);
                if (!link->is_activated)
                        r = mf_forward_queue(container, &request, link->fds, link->n_fds);
                container->n_queued_links += r == 0;
        }
        return r == 0 || r == -EAGAIN ? 0
                                      : mf_error_errno(err, r, MAYFLY_STAGE_NETWORK, "the socket of mayfly-forward");
}

/* Hands one port over to mayfly-forward. */
static int hand_over(struct mayfly_container *container, struct mf_link *link, struct mayfly_error *err)
{
        struct mf_forward_request request;
        struct mf_forward_reply reply = { 0 };
        char shown[200];

        write_request(link, &request);
        int r = mf_forward_ask(container, &request, link->fds, link->n_fds, &reply, NULL, err);
        if (r == 0 && reply.error < 0)
                r = mf_error_errno(err, reply.error, MAYFLY_STAGE_NETWORK, "the port %s of container %s: %s",
                                   mf_port_show(&link->inside, shown, sizeof(shown)), container->machine, reply.text);
        return r;
}

int mf_ports_connect(struct mayfly_container *container, struct mayfly_error *err)
{
        int r = mf_forward_finish(container, err);

        for (size_t i = container->n_queued_links; r == 0 && i < container->links.n; i++)
                if (container->spec.network != MAYFLY_NETWORK_HOST && !container->links.list[i]->is_activated)
                        r = hand_over(container, container->links.list[i], err);
        for (size_t i = 0; r == 0 && i < container->links.n; i++)
                close_sockets(container->links.list[i]);
        return r;
}

MF_EXPORT int mayfly_container_publish(struct mayfly_container *container, const struct mayfly_publish *given,
                                       struct mayfly_error *err)
{
        struct mayfly_publish entry = MAYFLY_PUBLISH_INIT;

        if (!container || !given)
                return mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                                "mayfly_container_publish() needs a container and a port");
        int r = mf_container_check_owner(container, err);
        if (r == 0)
                r = mf_options_take(&entry, given, &kind, err);
        if (r == 0 && entry.activate)
                r = mf_error(err, -EINVAL, MAYFLY_STAGE_SPEC,
                             "the port %u cannot be published with activate, because the app has started and is handed "
                             "no socket any more; leave out activate, or publish the port in the spec",
                             entry.port);
        if (r == 0)
                r = publish(container, &entry, err);
        if (r < 0 || container->spec.network == MAYFLY_NETWORK_HOST)
                return r;
        struct mf_link *link = container->links.list[container->links.n - 1];
        r = hand_over(container, link, err);
        close_sockets(link);
        if (r < 0) {
                mf_link_clear(link);
                free(link);
                container->links.n--;
        }
        return r;
}
