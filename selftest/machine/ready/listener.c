/* SPDX-License-Identifier: MIT */
/*
 * An app that becomes ready in one of many ways, each after a while. It runs inside.
 *
 *     listener MS tcp|udp ADDRESS PORT    then listens
 *     listener MS closing PORT            listens, and closes each connection at once
 *     listener MS unix|dgram PATH         listens on a Unix socket; "@NAME" is abstract
 *     listener MS full PATH               listens on a Unix socket whose queue is full, and takes no connection
 *     listener MS notify TEXT             sends TEXT to $NOTIFY_SOCKET
 *     listener MS child TEXT              does that from a grandchild whose parents have ended
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int fail(const char *what)
{
        perror(what);
        exit(1);
}

static int bind_port(const char *address, const char *port, int type)
{
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((unsigned short) atoi(port)) };
        struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((unsigned short) atoi(port)) };
        int is_v6 = strchr(address, ':') != NULL;

        int fd = socket(is_v6 ? AF_INET6 : AF_INET, type, 0);
        if (fd < 0)
                fail("socket");
        if (inet_pton(is_v6 ? AF_INET6 : AF_INET, address, is_v6 ? (void *) &v6.sin6_addr : &v4.sin_addr) != 1)
                fail(address);
        if (bind(fd, is_v6 ? (struct sockaddr *) &v6 : (struct sockaddr *) &v4, is_v6 ? sizeof(v6) : sizeof(v4)) < 0)
                fail("bind");
        if (type == SOCK_STREAM && listen(fd, 5) < 0)
                fail("listen");
        return fd;
}

static socklen_t unix_address(const char *name, struct sockaddr_un *ret)
{
        *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
        strncpy(ret->sun_path, name, sizeof(ret->sun_path) - 1);
        if (name[0] == '@')
                ret->sun_path[0] = '\0';
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + strlen(name) + (name[0] != '@'));
}

static void bind_unix(const char *path, int type)
{
        struct sockaddr_un address;
        socklen_t size = unix_address(path, &address);

        int fd = socket(AF_UNIX, type, 0);
        if (fd < 0 || bind(fd, (const struct sockaddr *) &address, size) < 0 ||
            (type == SOCK_STREAM && listen(fd, 5) < 0))
                fail(path);
}

static void fill_queue(const char *path)
{
        struct sockaddr_un address;
        socklen_t size = unix_address(path, &address);
        int fd;

        bind_unix(path, SOCK_STREAM);
        do
                fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        while (connect(fd, (const struct sockaddr *) &address, size) == 0);
}

static void notify(const char *text)
{
        const char *name = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address;

        if (!name)
                fail("no NOTIFY_SOCKET");
        socklen_t size = unix_address(name, &address);
        int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
        if (fd < 0 || sendto(fd, text, strlen(text), 0, (const struct sockaddr *) &address, size) < 0)
                fail("NOTIFY_SOCKET");
        close(fd);
}

static void notify_from_grandchild(const char *text)
{
        if (fork() == 0) {
                if (fork() == 0) {
                        usleep(50000);
                        notify(text);
                }
                _exit(0);
        }
}

static void close_each(int fd)
{
        for (;;)
                close(accept(fd, NULL, NULL));
}

int main(int argc, char **argv)
{
        if (argc < 4)
                return 2;
        const char *how = argv[2];
        printf("listener %s %s %s\n", how, argv[3], argc > 4 ? argv[4] : "");
        fflush(stdout);
        usleep((useconds_t) atoi(argv[1]) * 1000);
        if (argc > 4 && strcmp(how, "tcp") == 0)
                bind_port(argv[3], argv[4], SOCK_STREAM);
        else if (argc > 4 && strcmp(how, "udp") == 0)
                bind_port(argv[3], argv[4], SOCK_DGRAM);
        else if (strcmp(how, "closing") == 0)
                close_each(bind_port("127.0.0.1", argv[3], SOCK_STREAM));
        else if (strcmp(how, "unix") == 0)
                bind_unix(argv[3], SOCK_STREAM);
        else if (strcmp(how, "dgram") == 0)
                bind_unix(argv[3], SOCK_DGRAM);
        else if (strcmp(how, "full") == 0)
                fill_queue(argv[3]);
        else if (strcmp(how, "notify") == 0)
                notify(argv[3]);
        else if (strcmp(how, "child") == 0)
                notify_from_grandchild(argv[3]);
        for (;;)
                pause();
}
