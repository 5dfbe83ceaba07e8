/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/forwarder.h"

/* Many connections at once, few descriptors, and peers that behave badly. */

#define SECONDS 100 /* of each test */
#define READERS 40
#define FEW 200U /* descriptors of mayfly-forward: for about 68 connections */

static int start(void **state)
{
        return forwarder_set_up_limited(state, SECONDS, 0);
}

static int start_with_few(void **state)
{
        return forwarder_set_up_limited(state, SECONDS, FEW);
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
        uint16_t port;
        int listener = listen_published(forwarder, &port);

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

#define CLIENTS 100U

/* Accepts until each client has a server or has been sent away, however long that takes. Returns how many servers there are, each
 * of which says one byte and then so much that it goes through a pipe. */
static unsigned serve_or_lose(int listener, const int *clients, int *servers, const char *block, size_t size)
{
        struct pollfd fds[CLIENTS + 1];
        unsigned n = 0, lost = 0;

        for (unsigned i = 0; i < CLIENTS; i++)
                fds[i] = (struct pollfd){ .fd = clients[i] }; /* its end is always reported */
        fds[CLIENTS] = (struct pollfd){ .fd = listener, .events = POLLIN };
        while (n + lost < CLIENTS) {
                if (poll(fds, CLIENTS + 1, 10000) <= 0)
                        fail_msg("%u clients were served, %u sent away, and the others neither", n, lost);
                for (unsigned i = 0; i < CLIENTS; i++)
                        if (fds[i].revents) {
                                fds[i] = (struct pollfd){ .fd = -1 };
                                lost++;
                        }
                if (!fds[CLIENTS].revents)
                        continue;
                servers[n] = accept_one(listener);
                say(servers[n], "x");
                assert_int_equal(send(servers[n++], block, size, 0), size);
        }
        return n;
}

/* Whether a client has its server's first byte, and not been sent away. */
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
        uint16_t port;
        int listener = listen_published(forwarder, &port);
        unsigned first = 0;

        for (int round = 0; round < 3; round++) {
                static char block[65536];
                int clients[CLIENTS], servers[CLIENTS];
                unsigned served = 0;

                for (unsigned i = 0; i < CLIENTS; i++)
                        clients[i] = connect_outside(port);
                unsigned n = serve_or_lose(listener, clients, servers, block, sizeof(block));
                for (unsigned i = 0; i < CLIENTS; i++) {
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
                for (unsigned i = 0; i < CLIENTS; i++)
                        close(clients[i]);
                while (n > 0) {
                        hear_end(servers[--n]);
                        close(servers[n]);
                }
        }
        close(listener);
}

/* Without descriptors for pipes, data wait in memory. */
static void test_many_that_do_not_read(void **state)
{
        struct forwarder *forwarder = *state;
        uint16_t port;
        int listener = listen_published(forwarder, &port);
        int clients[READERS], servers[READERS];
        size_t sent[READERS];

        for (int i = 0; i < READERS; i++) {
                clients[i] = connect_outside(port);
                servers[i] = accept_one(listener);
        }
        for (int i = 0; i < READERS; i++)
                sent[i] = fill(servers[i], 3, 2000);
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
        uint16_t port;
        int listener = listen_published(forwarder, &port);

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

/* Sends descriptors that nobody receives, more than mayfly-forward may have. Returns the sockets that they are in. */
static void put_in_flight(int ret[2])
{
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ret), 0);
        send_with_descriptors(ret[0], "x", ret[1], 253);
}

/* The socket that its own queue holds goes first. The end of the other one lets the kernel collect both: a collection that ran
 * before would find a descriptor of this process's, and none comes later. */
static void end_flight(const int sockets[2])
{
        close(sockets[1]);
        close(sockets[0]);
}

static const struct mf_forward_request a_socket = { .type = MF_FORWARD_SOCKET,
                                                    .domain = AF_INET,
                                                    .socket_type = SOCK_STREAM };

/* The container's user sends so many descriptors about that no answer with one can be sent. It is sent later. */
static void test_descriptors_in_flight(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_reply reply;
        int sockets[2], fd = -1;
        struct pollfd answer = { .fd = forwarder->control, .events = POLLIN };

        put_in_flight(sockets);
        forwarder_send(forwarder, &a_socket, NULL, 0);
        assert_int_equal(poll(&answer, 1, 200), 0);
        end_flight(sockets);
        assert_int_equal(forwarder_receive(forwarder, &reply, &fd), 0);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET, SOCK_STREAM, &fd), 0);
        close(fd);
}

/* The end of the library is noticed while an answer waits, and is no failure. */
static void test_end_with_descriptors_in_flight(void **state)
{
        struct forwarder forwarder;
        int sockets[2];
        struct pollfd answer;

        (void) state;
        alarm(SECONDS);
        forwarder_start_limited(&forwarder, FEW);
        forwarder_enter(&forwarder);
        put_in_flight(sockets);
        forwarder_send(&forwarder, &a_socket, NULL, 0);
        answer = (struct pollfd){ .fd = forwarder.control, .events = POLLIN };
        assert_int_equal(poll(&answer, 1, 100), 0);
        forwarder_stop(&forwarder);
        end_flight(sockets);
}

/* Meanwhile ports of the host cannot be reached, and afterwards they can. */
static void test_host_port_with_descriptors_in_flight(void **state)
{
        struct forwarder *forwarder = *state;
        struct sockaddr_in address = { .sin_family = AF_INET };
        uint16_t port;
        int sockets[2], client = -1, listener = listen_outside(SOCK_STREAM, &port);

        assert_int_equal(forwarder_ask_host_port(forwarder, 1, MF_FORWARD_TCP, port), 0);
        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET, SOCK_STREAM, &client), 0);
        address.sin_port = htons(port);
        inet_pton(AF_INET, MF_HOST_ADDRESS, &address.sin_addr);
        put_in_flight(sockets);
        assert_int_equal(connect(client, (struct sockaddr *) &address, sizeof(address)), 0);
        hear_reset(client);
        close(client);
        end_flight(sockets);
        client = connect_inside(forwarder, SOCK_STREAM, MF_HOST_ADDRESS, port);
        int server = accept_one(listener);
        say(client, "hello");
        hear(server, "hello");
        close(client);
        close(server);
        close(listener);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_thousands, start, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_descriptors_used_up, start_with_few, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_many_that_do_not_read, start_with_few, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_server_that_closes_at_once, start, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_descriptors_in_flight, start_with_few, forwarder_tear_down),
                cmocka_unit_test(test_end_with_descriptors_in_flight),
                cmocka_unit_test_setup_teardown(test_host_port_with_descriptors_in_flight, start_with_few,
                                                forwarder_tear_down),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
