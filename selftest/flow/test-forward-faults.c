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
#include <sys/socket.h>
#include <unistd.h>

#include "flow/forwarder.h"
#include "util/time.h"

/* Links that fail on purpose. Times have a lower bound only: what is early is wrong, what is late may be the machine. */

#define LONG_US 600000000U /* a latency that no test waits for */

struct world {
        struct forwarder forwarder;
        uint16_t port;
        int listener, client, server;
};

static int start(void **state)
{
        struct world *world = calloc(1, sizeof(*world));

        alarm(60); /* each test */
        forwarder_start(&world->forwarder);
        forwarder_enter(&world->forwarder);
        world->listener = listen_published(&world->forwarder, &world->port);
        world->client = connect_outside(world->port);
        world->server = accept_one(world->listener);
        *state = world;
        return 0;
}

static int end(void **state)
{
        struct world *world = *state;

        close(world->client);
        close(world->server);
        close(world->listener);
        forwarder_stop(&world->forwarder);
        free(world);
        return 0;
}

static int try_faults(struct world *world, uint32_t link, struct mf_forward_faults faults)
{
        return forwarder_ask_faults(&world->forwarder, link, faults);
}

static void set(struct world *world, struct mf_forward_faults faults)
{
        assert_int_equal(try_faults(world, 1, faults), 0);
}

static void mend(struct world *world)
{
        set(world, (struct mf_forward_faults){ 0 });
}

/* Expects that nothing comes for a while. */
static void hear_nothing(int fd)
{
        struct pollfd wait = { .fd = fd, .events = POLLIN | POLLRDHUP };

        assert_int_equal(poll(&wait, 1, 100), 0);
}

static void test_latency(void **state)
{
        struct world *world = *state;
        char c;

        set(world, (struct mf_forward_faults){ .down.latency_us = 150000 });
        uint64_t begin = mf_now_us();
        say(world->server, "x");
        assert_int_equal(recv(world->client, &c, 1, 0), 1);
        assert_true(mf_now_us() - begin >= 150000);
        /* The end does not overtake what was said before it. */
        say(world->server, "bye");
        shutdown(world->server, SHUT_WR);
        hear(world->client, "bye");
        hear_end(world->client);
}

static void test_one_direction(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .down.latency_us = LONG_US });
        say(world->client, "question");
        hear(world->server, "question");
        say(world->server, "answer");
        hear_nothing(world->client);
        /* A shorter latency holds for what is on its way already. */
        set(world, (struct mf_forward_faults){ .down.latency_us = 1000 });
        hear(world->client, "answer");
        set(world, (struct mf_forward_faults){ .up.latency_us = LONG_US });
        say(world->server, "more");
        hear(world->client, "more");
        say(world->client, "late");
        hear_nothing(world->server);
        mend(world);
        hear(world->server, "late");
}

static void test_jitter_keeps_order(void **state)
{
        struct world *world = *state;
        uint32_t heard;

        set(world, (struct mf_forward_faults){ .up = { .latency_us = 1000, .jitter_us = 20000 } });
        for (uint32_t i = 0; i < 300; i++) {
                assert_int_equal(send(world->client, &i, sizeof(i), 0), sizeof(i));
                usleep(200);
        }
        for (uint32_t i = 0; i < 300; i++) {
                assert_int_equal(recv(world->server, &heard, sizeof(heard), MSG_WAITALL), sizeof(heard));
                assert_int_equal(heard, i);
        }
}

static void test_bandwidth(void **state)
{
        struct world *world = *state;
        static char data[50000], got[50000];

        for (size_t i = 0; i < sizeof(data); i++)
                data[i] = (char) (i * 7 + i / 256);
        set(world, (struct mf_forward_faults){ .down.bytes_per_s = 100000 });
        uint64_t begin = mf_now_us();
        assert_int_equal(send(world->server, data, sizeof(data), 0), sizeof(data));
        assert_int_equal(recv(world->client, got, sizeof(got), MSG_WAITALL), sizeof(got));
        assert_true(mf_now_us() - begin >= 450000); /* the first slice goes at once */
        assert_memory_equal(got, data, sizeof(data));
}

/* Reads until nothing comes for a while. */
static size_t drain(int fd)
{
        static char block[65536];
        struct pollfd wait = { .fd = fd, .events = POLLIN };
        size_t got = 0;

        while (poll(&wait, 1, 200) == 1) {
                ssize_t n = recv(fd, block, sizeof(block), 0);
                if (n <= 0)
                        break;
                got += (size_t) n;
        }
        return got;
}

/* What waits in mayfly-forward when the link is stopped does not pass either. */
static void test_stop_with_data_on_their_way(void **state)
{
        struct world *world = *state;

        size_t sent = fill(world->server, 20, 5000);
        set(world, (struct mf_forward_faults){ .down.is_stopped = 1 });
        size_t got = drain(world->client);
        assert_true(got > 0 && got < sent);
        say(world->client, "the other direction works");
        hear(world->server, "the other direction works");
        shutdown(world->server, SHUT_WR);
        mend(world);
        got += drain(world->client);
        assert_int_equal(got, sent);
        hear_end(world->client);
}

static void test_black_hole(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .up.is_stopped = 1, .down.is_stopped = 1 });
        /* It takes some data, as a network does, but not without end. */
        size_t sent = fill(world->client, 20, 5000);
        assert_true(sent < 64U << 20);
        hear_nothing(world->server);
        int client = connect_outside(world->port);
        say(client, "is anybody there?");
        hear_nothing(world->listener);
        mend(world);
        assert_int_equal(drain(world->server), sent);
        int server = accept_one(world->listener);
        hear(server, "is anybody there?");
        close(client);
        close(server);
}

/* The ends of a connection do not pass a link that is stopped. */
static void test_ends_are_stopped(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .down.is_stopped = 1 });
        reset_socket(world->server);
        hear_nothing(world->client);
        mend(world);
        hear_reset(world->client);
        world->server = -1;
}

static void test_refuse(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .refuse = 1 });
        int client = connect_outside(world->port);
        hear_reset(client);
        close(client);
        say(world->client, "open ones live");
        hear(world->server, "open ones live");
        mend(world);
        client = connect_outside(world->port);
        say(client, "welcome again");
        int server = accept_one(world->listener);
        hear(server, "welcome again");
        close(client);
        close(server);
}

static void test_reset(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .reset = 1 });
        hear_reset(world->client);
        hear_reset(world->server);
        int client = connect_outside(world->port), server = accept_one(world->listener);
        say(client, "new ones live");
        hear(server, "new ones live");
        close(client);
        close(server);
}

static void test_slow_close(void **state)
{
        struct world *world = *state;

        set(world, (struct mf_forward_faults){ .slow_close_us = 200000 });
        say(world->server, "last words");
        hear(world->client, "last words");
        uint64_t begin = mf_now_us();
        shutdown(world->server, SHUT_WR);
        hear_end(world->client);
        assert_true(mf_now_us() - begin >= 200000);
        say(world->client, "the other direction is open");
        hear(world->server, "the other direction is open");
}

static void test_cut(void **state)
{
        struct world *world = *state;

        say(world->server, "before");
        hear(world->client, "before");
        /* Counted from now on, in this direction only. */
        set(world, (struct mf_forward_faults){ .down.cut_after = 5 });
        say(world->client, "long enough");
        hear(world->server, "long enough");
        say(world->server, "123");
        hear(world->client, "123");
        say(world->server, "45678");
        hear(world->client, "45");
        hear_reset(world->client);
        hear_reset(world->server);
        /* And anew for a new connection. */
        int client = connect_outside(world->port), server = accept_one(world->listener);
        say(server, "123456");
        hear(client, "12345");
        hear_reset(client);
        close(client);
        close(server);
}

/* All that is before the cut arrives, if the client reads late. */
static void test_cut_of_much(void **state)
{
        struct world *world = *state;
        static char data[400000];

        set(world, (struct mf_forward_faults){ .down.cut_after = 300000 });
        assert_int_equal(send(world->server, data, sizeof(data), 0), sizeof(data));
        usleep(50000);
        size_t got = 0;
        for (ssize_t n; (n = recv(world->client, data, sizeof(data), 0)) > 0;)
                got += (size_t) n;
        assert_int_equal(got, 300000);
}

static void test_corrupt(void **state)
{
        struct world *world = *state;
        char got[9] = "";

        set(world, (struct mf_forward_faults){ .down.corrupt_at = 4, .up.corrupt_at = 1 });
        say(world->server, "ab");
        say(world->server, "cdef");
        assert_int_equal(recv(world->client, got, 6, MSG_WAITALL), 6);
        assert_memory_equal(got,
                            "abc\x9b"
                            "ef",
                            6);
        say(world->server, "abcdef"); /* once */
        hear(world->client, "abcdef");
        say(world->client, "ab");
        assert_int_equal(recv(world->server, got, 2, MSG_WAITALL), 2);
        assert_memory_equal(got,
                            "\x9e"
                            "b",
                            2);
}

/* Faults come and go while data flow, and nothing is lost or in the wrong place. */
static void test_switched_while_data_flow(void **state)
{
        struct world *world = *state;
        static const struct mf_forward_faults some[] = {
                { .down.latency_us = 2000 },      { .down = { .latency_us = 500, .jitter_us = 3000 } },
                { .down.bytes_per_s = 20000000 }, { .down.is_stopped = 1 },
                { .slow_close_us = 1000 },        { .up.latency_us = 1000 },
        };
        uint32_t block[2048];

        pid_t writer = fork();
        assert_true(writer >= 0);
        if (writer == 0) {
                for (uint32_t i = 0; i < 4U << 20; i++) {
                        block[i % 2048] = i;
                        if (i % 2048 == 2047 && send(world->server, block, sizeof(block), 0) != sizeof(block))
                                _exit(1);
                }
                shutdown(world->server, SHUT_WR);
                _exit(0);
        }
        for (uint32_t i = 0; i < 4U << 20; i += 2048) {
                if (i % (64 * 2048) == 0)
                        set(world, some[i / (64 * 2048) % 6]);
                if (i % (64 * 2048) == 32 * 2048)
                        mend(world);
                if (some[i / (64 * 2048) % 6].down.is_stopped && i % (64 * 2048) < 32 * 2048)
                        mend(world);
                assert_int_equal(recv(world->client, block, sizeof(block), MSG_WAITALL), sizeof(block));
                for (uint32_t j = 0; j < 2048; j++)
                        assert_int_equal(block[j], i + j);
        }
        hear_end(world->client);
}

static void test_udp(void **state)
{
        struct world *world = *state;
        int server = listen_inside(&world->forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        uint16_t port = forwarder_publish_udp(&world->forwarder, 2, 53);
        int client = connect_udp(port);

        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .up.is_stopped = 1 }), 0);
        say(client, "lost");
        hear_nothing(server);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .up.latency_us = LONG_US }), 0);
        say(client, "late");
        hear_nothing(server);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .up.latency_us = 20000 }), 0);
        hear(server, "late");
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .refuse = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .reset = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .slow_close_us = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .up.cut_after = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .down.bytes_per_s = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .down.corrupt_at = 1 }), -ENOTSUP);
        assert_int_equal(try_faults(world, 3, (struct mf_forward_faults){ .refuse = 1 }), -ENOENT);
        close(client);
        close(server);
}

/* On a port of the host, "up" is what the container sends. */
static void test_host_port(void **state)
{
        struct world *world = *state;
        uint16_t port;
        int listener = listen_outside(SOCK_STREAM, &port);

        assert_int_equal(forwarder_ask_host_port(&world->forwarder, 2, MF_FORWARD_TCP, port), 0);
        assert_int_equal(try_faults(world, 2, (struct mf_forward_faults){ .up.cut_after = 3 }), 0);
        int client = connect_inside(&world->forwarder, SOCK_STREAM, MF_HOST_ADDRESS, port);
        int server = accept_one(listener);
        say(client, "12345");
        hear(server, "123");
        hear_reset(server);
        close(client);
        close(server);
        close(listener);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_latency, start, end),
                cmocka_unit_test_setup_teardown(test_one_direction, start, end),
                cmocka_unit_test_setup_teardown(test_jitter_keeps_order, start, end),
                cmocka_unit_test_setup_teardown(test_bandwidth, start, end),
                cmocka_unit_test_setup_teardown(test_stop_with_data_on_their_way, start, end),
                cmocka_unit_test_setup_teardown(test_black_hole, start, end),
                cmocka_unit_test_setup_teardown(test_ends_are_stopped, start, end),
                cmocka_unit_test_setup_teardown(test_refuse, start, end),
                cmocka_unit_test_setup_teardown(test_reset, start, end),
                cmocka_unit_test_setup_teardown(test_slow_close, start, end),
                cmocka_unit_test_setup_teardown(test_cut, start, end),
                cmocka_unit_test_setup_teardown(test_cut_of_much, start, end),
                cmocka_unit_test_setup_teardown(test_corrupt, start, end),
                cmocka_unit_test_setup_teardown(test_switched_while_data_flow, start, end),
                cmocka_unit_test_setup_teardown(test_udp, start, end),
                cmocka_unit_test_setup_teardown(test_host_port, start, end),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
