/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "init/init.h"
#include "protocol/exec-block.h"

#define LOOPBACK_WAIT_MS 1000U

/* One socket, bound: to all addresses of the container's own network, to loopback alone of the host's. Descriptor or
 * -errno. */
static int open_socket(int type, const char *address, unsigned port)
{
        struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
        int any = inet_pton(AF_INET6, address, &ipv6.sin6_addr) == 1, one = 1, zero = 0;

        int fd = any ? socket(AF_INET6, type | SOCK_CLOEXEC, 0) : -1;
        if (fd >= 0) {
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
        } else {
                fd = socket(AF_INET, type | SOCK_CLOEXEC, 0); /* also where there is no IPv6 */
                if (fd < 0 || (!any && inet_pton(AF_INET, address, &ipv4.sin_addr) != 1)) {
                        int r = fd < 0 ? -errno : -EINVAL;
                        close(fd);
                        return r;
                }
                any = 0;
        }
        if (type == SOCK_STREAM)
                (void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
        int r = any ? bind(fd, (struct sockaddr *) &ipv6, sizeof(ipv6))
                    : bind(fd, (struct sockaddr *) &ipv4, sizeof(ipv4));
        if (r < 0 || (type == SOCK_STREAM && listen(fd, SOMAXCONN) < 0)) {
                r = -errno;
                close(fd);
                return r;
        }
        return fd;
}

/* Whether ::1 will not come: there is no IPv6 here, or it is turned off. */
static int lacks_ipv6(void)
{
        char value = '1';
        int fd = open("/proc/sys/net/ipv6/conf/lo/disable_ipv6", O_RDONLY | O_CLOEXEC);

        if (fd >= 0) {
                (void) !read(fd, &value, 1);
                close(fd);
        }
        return value != '0';
}

void mf_await_loopback(void)
{
        const struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        int r = -1;

        for (unsigned i = 0; r < 0 && i < LOOPBACK_WAIT_MS; i++) {
                int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
                r = fd < 0 ? 0 : bind(fd, (const struct sockaddr *) &address, sizeof(address));
                if (fd >= 0)
                        close(fd);
                if (r < 0 && lacks_ipv6())
                        return;
                if (r < 0)
                        usleep(1000);
        }
}

static int add(struct mf_sockets *sockets, int fd, const char *name)
{
        size_t length = strlen(sockets->names);
        int *fds = realloc(sockets->fds, (sockets->n + 1) * sizeof(int));
        if (fds)
                sockets->fds = fds;
        char *names = realloc(sockets->names, length + strlen(name) + 2);
        if (names)
                sockets->names = names;
        if (!fds || !names) {
                close(fd);
                return -ENOMEM;
        }
        sprintf(names + length, "%s%s", sockets->n > 0 ? ":" : "", name);
        fds[sockets->n++] = fd;
        return 0;
}

/* Opens what a description says, or takes it from those that came with the message. Returns a descriptor or -errno. */
static int open_described(const char *protocol, unsigned port, const char *address, struct mf_passed *passed)
{
        if (strcmp(address, MF_EXEC_PASSED) == 0)
                return passed->taken < passed->n ? passed->fds[passed->taken++] : -EPROTO;
        return open_socket(strcmp(protocol, "udp") == 0 ? SOCK_DGRAM : SOCK_STREAM, address, port);
}

int mf_sockets_open(char *const *descriptions, struct mf_passed *passed, struct mf_sockets *ret, char *text,
                    size_t text_size)
{
        struct mf_sockets sockets = { .names = strdup("LISTEN_FDNAMES=") };
        int r = sockets.names ? 0 : -ENOMEM;

        for (; r == 0 && *descriptions; descriptions++) {
                char name[256], protocol[32], address[64];
                unsigned port;
                if (sscanf(*descriptions, "%31s %u %63s %255[^\n]", protocol, &port, address, name) != 4) {
                        r = -EPROTO;
                        continue;
                }
                int fd = open_described(protocol, port, address, passed);
                r = fd < 0 ? fd : add(&sockets, fd, name);
                if (r < 0)
                        snprintf(text, text_size, "its port \"%.60s\" is socket-activated, but %s port %u on %s: %s",
                                 name, protocol, port, address, strerrordesc_np(-r));
        }
        if (r < 0) {
                mf_sockets_close(&sockets);
                return r;
        }
        *ret = sockets;
        return 0;
}

void mf_sockets_close(struct mf_sockets *sockets)
{
        for (size_t i = 0; i < sockets->n; i++)
                close(sockets->fds[i]);
        free(sockets->fds);
        free(sockets->names);
        *sockets = (struct mf_sockets){ 0 };
}
