/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/forwarder.h"

/* Many connections at once, few descriptors, and peers that behave badly. */

#define READERS 40
#define FEW 200U /* descriptors of mayfly-forward: for about 68 connections */

static int start_limited(void **state, unsigned limit)
{
        struct forwarder *forwarder = calloc(1, sizeof(*forwarder));

        alarm(100); /* each test */
        forwarder_start_limited(forwarder, limit);
        forwarder_enter(forwarder);
        *state = forwarder;
        return 0;
}

static int start(void **state)
{
        return start_limited(state, 0);
}

static int start_with_few(void **state)
{
        return start_limited(state, FEW);
}

static int end(void **state)
{
        forwarder_stop(*state);
        free(*state);
        return 0;
}

/* Raises this process's limit and returns how many connections it may have, 5,000 if it can be. */
static unsigned as_many_as_possible(void)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        return limit.rlim_max > 10300 ? 5000 : (unsigned) (limit.rlim_max - 300) / 2;
}

static void test_thousands(void **state)
{
        struct forwarder *forwarder = *state;
        unsigned n = as_many_as_possible();
        int *clients = calloc(n, sizeof(int)), *servers = calloc(n, sizeof(int));
        int listener = listen_inside(forwarder, SOCK_STREAM, "127.0.0.1", 80);
        uint16_t port = forwarder_publish(forwarder, 1, 80);

        for (unsigned i = 0; i < n; i++) {
                clients[i] = connect_outside(port);
                assert_int_equal(send(clients[i], &i, sizeof(i), 0), sizeof(i));
        }
        for (unsigned i = 0; i < n; i++) {
                int fd = accept_one(listener);
                unsigned which = n;
                assert_int_equal(recv(fd, &which, sizeof(which), MSG_WAITALL), sizeof(which));
                assert_true(which < n && servers[which] == 0);
                servers[which] = fd;
        }
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(send(servers[i], &i, sizeof(i), 0), sizeof(i));
        for (unsigned i = 0; i < n; i++) {
                unsigned which = n;
                assert_int_equal(recv(clients[i], &which, sizeof(which), MSG_WAITALL), sizeof(which));
                assert_int_equal(which, i);
                close(i % 2 ? clients[i] : servers[i]);
        }
        for (unsigned i = 0; i < n; i++) {
                hear_end(i % 2 ? servers[i] : clients[i]);
                close(i % 2 ? servers[i] : clients[i]);
        }
        free(clients);
        free(servers);
        close(listener);
}

/* Waits until a client has its server's first byte or is sent away. Returns 1 or 0. */
static int is_served(int client)
{
        char c;
        ssize_t n = recv(client, &c, 1, 0);

        if (n < 0 && errno != ECONNRESET)
                fail_msg("neither served nor sent away: %s", strerror(errno));
        return n == 1;
}

/* Past the limit each client is reset at once; those that are there are served on, and what they had is free afterwards. */
static void test_descriptors_used_up(void **state)
{
        struct forwarder *forwarder = *state;
        int listener = listen_inside(forwarder, SOCK_STREAM, "127.0.0.1", 80);
        uint16_t port = forwarder_publish(forwarder, 1, 80);
        unsigned first = 0;

        for (int round = 0; round < 3; round++) {
                static char block[65536];
                int clients[100], servers[100];
                unsigned n = 0, served = 0;

                for (int i = 0; i < 100; i++)
                        clients[i] = connect_outside(port);
                struct pollfd more = { .fd = listener, .events = POLLIN };
                while (poll(&more, 1, 300) > 0) {
                        servers[n] = accept_one(listener);
                        say(servers[n], "x");
                        /* So much that it goes through a pipe. */
                        assert_int_equal(send(servers[n++], block, sizeof(block), 0), sizeof(block));
                }
                for (int i = 0; i < 100; i++) {
                        if (!is_served(clients[i]))
                                continue;
                        served++;
                        assert_int_equal(recv(clients[i], block, sizeof(block), MSG_WAITALL), sizeof(block));
                }
                assert_int_equal(served, n);
                assert_true(n >= 60 && n <= 70);
                if (round == 0)
                        first = n;
                assert_int_equal(n, first);
                for (int i = 0; i < 100; i++)
                        close(clients[i]);
                while (n > 0) {
                        hear_end(servers[--n]);
                        close(servers[n]);
                }
        }
        close(listener);
}

static size_t fill(int fd)
{
        static const char block[65536];
        size_t sent = 0;

        for (int quiet = 0; quiet < 3;) {
                ssize_t n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (n > 0) {
                        sent += (size_t) n;
                        quiet = 0;
                        continue;
                }
                assert_int_equal(errno, EAGAIN);
                usleep(2000);
                quiet++;
        }
        return sent;
}

/* Without descriptors for pipes, data wait in memory. */
static void test_many_that_do_not_read(void **state)
{
        struct forwarder *forwarder = *state;
        int listener = listen_inside(forwarder, SOCK_STREAM, "127.0.0.1", 80);
        uint16_t port = forwarder_publish(forwarder, 1, 80);
        int clients[READERS], servers[READERS];
        size_t sent[READERS];

        for (int i = 0; i < READERS; i++) {
                clients[i] = connect_outside(port);
                servers[i] = accept_one(listener);
        }
        for (int i = 0; i < READERS; i++)
                sent[i] = fill(servers[i]);
        /* The others are served meanwhile. */
        int client = connect_outside(port), server = accept_one(listener);
        say(client, "hello");
        hear(server, "hello");
        close(client);
        close(server);
        for (int i = 0; i < READERS; i++) {
                static char block[65536];
                size_t got = 0;
                shutdown(servers[i], SHUT_WR);
                for (ssize_t n; (n = recv(clients[i], block, sizeof(block), 0)) > 0;)
                        got += (size_t) n;
                assert_int_equal(got, sent[i]);
                close(clients[i]);
                close(servers[i]);
        }
        close(listener);
}

static void test_server_that_closes_at_once(void **state)
{
        struct forwarder *forwarder = *state;
        int listener = listen_inside(forwarder, SOCK_STREAM, "127.0.0.1", 80);
        uint16_t port = forwarder_publish(forwarder, 1, 80);

        for (int i = 0; i < 500; i++) {
                int client = connect_outside(port);
                if (i % 2)
                        send(client, "hello", 5, MSG_NOSIGNAL);
                close(accept_one(listener));
                char c;
                ssize_t n = recv(client, &c, 1, 0);
                assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
                close(client);
        }
        close(listener);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_thousands, start, end),
                cmocka_unit_test_setup_teardown(test_descriptors_used_up, start_with_few, end),
                cmocka_unit_test_setup_teardown(test_many_that_do_not_read, start_with_few, end),
                cmocka_unit_test_setup_teardown(test_server_that_closes_at_once, start, end),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
