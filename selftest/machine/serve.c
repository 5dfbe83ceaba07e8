/* SPDX-License-Identifier: MIT */

/* A server for containers: serve [-d MS] [-c] WHERE...
 *
 * Listens at each WHERE, "tcp:127.0.0.1:6379", "tcp6:::1:6379", "udp:0.0.0.0:53", "udp6:..." or "unix:/run/x.sock", or at the
 * sockets that it finds open ("activated", sd_listen_fds(3)), writes "ready", and sends back what it receives. -d waits before it listens; -c closes each connection at once. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTIONS_MAX 8192

static struct pollfd fds[CONNECTIONS_MAX];
static enum { LISTENER, PACKETS, CONNECTION } kinds[CONNECTIONS_MAX];
static size_t n_fds;
static int closes;

static void die(const char *what)
{
        perror(what);
        exit(1);
}

static void add(int fd, int kind)
{
        if (n_fds == CONNECTIONS_MAX) {
                close(fd);
                return;
        }
        fds[n_fds] = (struct pollfd){ .fd = fd, .events = POLLIN };
        kinds[n_fds++] = kind;
}

static void serve_unix(const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 4096) < 0)
                die(path);
        add(fd, LISTENER);
}

static void serve_activated(void)
{
        const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");

        if (!pid || atoi(pid) != getpid())
                die("LISTEN_PID is not this process's");
        for (int fd = 3; n && fd < 3 + atoi(n); fd++) {
                int type = 0, flags = fcntl(fd, F_GETFL);
                socklen_t size = sizeof(type);
                if (flags < 0 || (flags & O_NONBLOCK) || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
                        die("a descriptor that was handed over");
                add(fd, type == SOCK_DGRAM ? PACKETS : LISTENER);
        }
}

static void serve_port(const char *where)
{
        struct sockaddr_in v4 = { .sin_family = AF_INET };
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
        int is_udp = strncmp(where, "udp", 3) == 0, is_v6 = where[3] == '6', one = 1;
        char host[64] = "";
        const char *begin = strchr(where, ':') + 1, *port = strrchr(where, ':') + 1;

        memcpy(host, begin, (size_t) (port - begin) - 1);
        v4.sin_port = v6.sin6_port = htons((unsigned short) atoi(port));
        if (inet_pton(is_v6 ? AF_INET6 : AF_INET, host, is_v6 ? (void *) &v6.sin6_addr : (void *) &v4.sin_addr) != 1)
                die(where);
        int fd = socket(is_v6 ? AF_INET6 : AF_INET, is_udp ? SOCK_DGRAM : SOCK_STREAM, 0);
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
            bind(fd, is_v6 ? (struct sockaddr *) &v6 : (struct sockaddr *) &v4, is_v6 ? sizeof(v6) : sizeof(v4)) < 0 ||
            (!is_udp && listen(fd, 4096) < 0))
                die(where);
        add(fd, is_udp ? PACKETS : LISTENER);
}

static void answer(size_t i)
{
        static char data[65536];
        struct sockaddr_storage from;
        socklen_t size = sizeof(from);

        if (kinds[i] == LISTENER) {
                int fd = accept(fds[i].fd, NULL, NULL);
                if (fd >= 0 && closes)
                        close(fd);
                else if (fd >= 0)
                        add(fd, CONNECTION);
                return;
        }
        if (kinds[i] == PACKETS) {
                ssize_t n = recvfrom(fds[i].fd, data, sizeof(data), 0, (struct sockaddr *) &from, &size);
                if (n >= 0)
                        (void) sendto(fds[i].fd, data, (size_t) n, 0, (struct sockaddr *) &from, size);
                return;
        }
        ssize_t n = read(fds[i].fd, data, sizeof(data));
        if (n <= 0 || send(fds[i].fd, data, (size_t) n, MSG_NOSIGNAL) != n) {
                close(fds[i].fd);
                fds[i].fd = -1;
        }
}

static void drop_closed(void)
{
        size_t n = 0;

        for (size_t i = 0; i < n_fds; i++)
                if (fds[i].fd >= 0) {
                        fds[n] = fds[i];
                        kinds[n++] = kinds[i];
                }
        n_fds = n;
}

int main(int argc, char **argv)
{
        struct rlimit limit;
        int c;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        while ((c = getopt(argc, argv, "cd:")) >= 0)
                if (c == 'c')
                        closes = 1;
                else if (c == 'd')
                        usleep((useconds_t) atoi(optarg) * 1000);
        for (; optind < argc; optind++)
                if (strncmp(argv[optind], "unix:", 5) == 0)
                        serve_unix(argv[optind] + 5);
                else if (strcmp(argv[optind], "activated") == 0)
                        serve_activated();
                else
                        serve_port(argv[optind]);
        puts("ready");
        fflush(stdout);
        for (;;) {
                if (poll(fds, n_fds, -1) < 0 && errno != EINTR)
                        die("poll");
                for (size_t i = 0, n = n_fds; i < n; i++)
                        if (fds[i].revents)
                                answer(i);
                drop_closed();
        }
}
