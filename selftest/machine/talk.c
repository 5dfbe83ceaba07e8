/* SPDX-License-Identifier: MIT */

/* What members of a network say to each other; runs inside.
 *   talk serve PORT               sends back whatever comes, over TCP and UDP, IPv4 and IPv6
 *   talk say ADDRESS PORT         sends a datagram and prints the answer, if one comes within a third of a second
 *   talk try ADDRESS PORT         prints "silence" if a TCP connection gets no answer in that time
 *   talk hold ADDRESS PORT FILE   opens one TCP connection, and writes down how many answers came over it */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAUSE_MS 10 /* between two questions */
#define ANSWER_MS 300
#define CLIENTS_MAX 64

static void die(const char *what)
{
        printf("talk: %s: %s\n", what, strerror(errno));
        fflush(stdout);
        _exit(1);
}

static int open_port(int type, int port)
{
        const struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
        int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), zero = 0;

        if (fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0 ||
            bind(fd, (const struct sockaddr *) &address, sizeof(address)) < 0)
                die("binding");
        if (type == SOCK_STREAM && listen(fd, CLIENTS_MAX) < 0)
                die("listening");
        return fd;
}

static void answer_datagram(int fd)
{
        struct sockaddr_storage from;
        socklen_t size = sizeof(from);
        char data[2048];
        ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *) &from, &size);

        puts("a datagram");
        fflush(stdout);
        if (n >= 0)
                (void) sendto(fd, data, (size_t) n, 0, (const struct sockaddr *) &from, size);
}

static void answer(struct pollfd *client)
{
        char data[2048];
        ssize_t n = read(client->fd, data, sizeof(data));

        if (n > 0 && write(client->fd, data, (size_t) n) == n)
                return;
        close(client->fd);
        client->fd = -1;
}

static void serve(int port)
{
        struct pollfd fds[2 + CLIENTS_MAX] = { { .fd = open_port(SOCK_STREAM, port), .events = POLLIN },
                                               { .fd = open_port(SOCK_DGRAM, port), .events = POLLIN } };

        for (size_t i = 2; i < 2 + CLIENTS_MAX; i++)
                fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
        puts("serving");
        fflush(stdout);
        for (;;) {
                if (poll(fds, 2 + CLIENTS_MAX, -1) < 0)
                        die("poll");
                for (size_t i = 2; i < 2 + CLIENTS_MAX; i++)
                        if (fds[i].fd >= 0 && fds[i].revents)
                                answer(&fds[i]);
                if (fds[1].revents)
                        answer_datagram(fds[1].fd);
                if (fds[0].revents) {
                        int fd = accept(fds[0].fd, NULL, NULL);
                        size_t i = 2;
                        while (i < 2 + CLIENTS_MAX && fds[i].fd >= 0)
                                i++;
                        if (i < 2 + CLIENTS_MAX)
                                fds[i].fd = fd;
                        else
                                close(fd);
                }
        }
}

/* `type` may have SOCK_NONBLOCK. */
static int connect_to(const char *address, int port, int type)
{
        struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
        struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
        const struct sockaddr *to = (const struct sockaddr *) &ipv6;
        socklen_t size = sizeof(ipv6);

        if (inet_pton(AF_INET, address, &ipv4.sin_addr) == 1) {
                to = (const struct sockaddr *) &ipv4;
                size = sizeof(ipv4);
        } else if (inet_pton(AF_INET6, address, &ipv6.sin6_addr) != 1) {
                errno = EINVAL;
                die(address);
        }
        int fd = socket(to->sa_family, type | SOCK_CLOEXEC, 0);
        if (fd < 0 || (connect(fd, to, size) < 0 && errno != EINPROGRESS))
                die("connecting");
        return fd;
}

static void try(const char *address, int port)
{
        struct pollfd fd = { .fd = connect_to(address, port, SOCK_STREAM | SOCK_NONBLOCK), .events = POLLOUT };
        int error = 0;
        socklen_t size = sizeof(error);

        if (poll(&fd, 1, ANSWER_MS) == 0)
                puts("silence");
        else if (getsockopt(fd.fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0)
                puts(error ? strerror(error) : "an answer");
}

static void say(const char *address, int port)
{
        struct pollfd fd = { .fd = connect_to(address, port, SOCK_DGRAM), .events = POLLIN };
        char answer_text[32];

        if (write(fd.fd, "hello\n", 6) != 6)
                die("sending");
        ssize_t n = poll(&fd, 1, ANSWER_MS) > 0 ? read(fd.fd, answer_text, sizeof(answer_text)) : 0;
        if (n > 0)
                (void) !write(STDOUT_FILENO, answer_text, (size_t) n);
}

/* One question at a time, so that the number stands still when nothing gets through. */
static void hold(const char *address, int port, const char *path)
{
        int fd = connect_to(address, port, SOCK_STREAM),
            file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        char line[32];

        if (file < 0)
                die(path);
        for (unsigned long n = 0;; n++) {
                char question = (char) n, got;
                int length = snprintf(line, sizeof(line), "%lu\n", n);
                if (pwrite(file, line, (size_t) length, 0) != length)
                        die(path);
                if (write(fd, &question, 1) != 1)
                        die("asking");
                if (read(fd, &got, 1) != 1 || got != question)
                        die("the answer");
                usleep(PAUSE_MS * 1000);
        }
}

int main(int argc, char **argv)
{
        signal(SIGPIPE, SIG_IGN);
        if (argc == 3 && strcmp(argv[1], "serve") == 0)
                serve(atoi(argv[2]));
        if (argc == 4 && strcmp(argv[1], "say") == 0) {
                say(argv[2], atoi(argv[3]));
                return 0;
        }
        if (argc == 4 && strcmp(argv[1], "try") == 0) {
                try(argv[2], atoi(argv[3]));
                return 0;
        }
        if (argc == 5 && strcmp(argv[1], "hold") == 0)
                hold(argv[2], atoi(argv[3]), argv[4]);
        return 2;
}
