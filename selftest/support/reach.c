/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "support/reach.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/small-image.h"

const char *serving_image(const char *name)
{
        return small_image(name, "{\"exec\":[\"/bin/serve\"],\"user\":\"0\",\"group\":\"0\"}",
                           "cp '" SERVE "' bin/serve");
}

void address_of(struct mayfly_container *c, const char *port, struct mayfly_address *ret)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        *ret = (struct mayfly_address) MAYFLY_ADDRESS_INIT;
        if (mayfly_container_address(c, port, ret, &err) < 0)
                fail_msg("%s", err.message);
}

int reach_address(const struct sockaddr *address, socklen_t size, int type)
{
        const struct timeval limit = { .tv_sec = 20 };
        int fd = socket(address->sa_family, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        if (connect(fd, address, size) == 0)
                return fd;
        int r = -errno;
        close(fd);
        return r;
}

int reach_port(struct mayfly_container *c, const char *port, int type)
{
        struct mayfly_address address;

        address_of(c, port, &address);
        return reach_address(address.sockaddr, address.sockaddr_size, type);
}

int is_echoed(int fd)
{
        char text[6] = "";

        return write(fd, "hello", 5) == 5 && recv(fd, text, 5, MSG_WAITALL) == 5 && strcmp(text, "hello") == 0;
}

void echoes(int fd, const char *text)
{
        char got[64] = "";
        size_t length = strlen(text);

        if (fd < 0)
                fail_msg("no connection: %s", strerror(-fd));
        assert_true(length < sizeof(got));
        assert_int_equal(send(fd, text, length, MSG_NOSIGNAL), length);
        ssize_t n = recv(fd, got, length, MSG_WAITALL);
        if (n < 0 || (size_t) n != length)
                fail_msg("no answer: %s", n < 0 ? strerror(errno) : "the connection was closed");
        assert_string_equal(got, text);
}

void is_reset(int fd)
{
        char byte;

        assert_int_equal(recv(fd, &byte, 1, 0), -1);
        assert_int_equal(errno, ECONNRESET);
        close(fd);
}

int listen_on_host(unsigned *ret_port)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        socklen_t size = sizeof(address);
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(bind(listener, (struct sockaddr *) &address, size), 0);
        assert_int_equal(listen(listener, 16), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *) &address, &size), 0);
        *ret_port = ntohs(address.sin_port);
        return listener;
}
