/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "flow/forwarder.h"

/* UDP ports, and ports of the host for the container. */

/* Expects a packet with this text. */
static void get(int fd, const char *text, struct sockaddr_in *ret_from)
{
        char heard[256] = "";
        socklen_t size = sizeof(*ret_from);

        ssize_t n = recvfrom(fd, heard, sizeof(heard) - 1, 0, (struct sockaddr *) ret_from, ret_from ? &size : NULL);
        if (n < 0)
                fail_msg("\"%s\" did not come: %s", text, strerror(errno));
        assert_string_equal(heard, text);
}

static void put(int fd, const char *text, const struct sockaddr_in *to)
{
        assert_int_equal(sendto(fd, text, strlen(text), 0, (const struct sockaddr *) to, to ? sizeof(*to) : 0),
                         strlen(text));
}

static void test_packets(void **state)
{
        struct forwarder *forwarder = *state;
        int server = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        uint16_t port = forwarder_publish_udp(forwarder, 1, 53);
        int first = connect_udp(port), second = connect_udp(port);
        struct sockaddr_in first_there, second_there;

        put(first, "one", NULL);
        get(server, "one", &first_there);
        put(second, "two", NULL);
        get(server, "two", &second_there);
        assert_int_not_equal(first_there.sin_port, second_there.sin_port);
        /* Answers go to the client that asked, in whatever order. */
        put(server, "to two", &second_there);
        put(server, "to one", &first_there);
        get(first, "to one", NULL);
        get(second, "to two", NULL);
        /* A client keeps its place; an empty packet is a packet. */
        put(first, "", NULL);
        struct sockaddr_in again;
        get(server, "", &again);
        assert_int_equal(again.sin_port, first_there.sin_port);
        close(first);
        close(second);
        close(server);
}

/* A packet of somebody else inside does not get out. */
static void test_strangers(void **state)
{
        struct forwarder *forwarder = *state;
        int server = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        int stranger = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 54);
        uint16_t port = forwarder_publish_udp(forwarder, 1, 53);
        int client = connect_udp(port);
        struct sockaddr_in there;

        put(client, "question", NULL);
        get(server, "question", &there);
        put(stranger, "forged", &there);
        put(server, "answer", &there);
        get(client, "answer", NULL);
        assert_int_equal(recv(client, (char[1]){ 0 }, 1, MSG_DONTWAIT), -1);
        close(client);
        close(stranger);
        close(server);
}

static void test_addresses(void **state)
{
        struct forwarder *forwarder = *state;
        static const char *const addresses[] = { "::1", "127.0.0.2", "0.0.0.0", "::" };
        uint16_t port = forwarder_publish_udp(forwarder, 1, 53);
        int client = connect_udp(port);

        for (size_t i = 0; i < 4; i++) {
                put(client, "lost", NULL); /* nobody listens */
                int server = listen_inside(forwarder, SOCK_DGRAM, addresses[i], 53);
                /* The first packet to a server at another address may find out that the last one has gone. */
                put(client, addresses[i], NULL);
                char heard[64] = "";
                while (recv(server, heard, sizeof(heard) - 1, 0) > 0 && strcmp(heard, "lost") == 0)
                        memset(heard, 0, sizeof(heard));
                assert_string_equal(heard, addresses[i]);
                close(server);
        }
        close(client);
}

/* With a mayfly-forward that forgets silent clients after a tenth of a second. */
static int set_up_hasty(void **state)
{
        setenv("MAYFLY_FORWARD", HASTY, 1);
        int r = forwarder_set_up(state);
        unsetenv("MAYFLY_FORWARD");
        return r;
}

static void test_silent_client_is_forgotten(void **state)
{
        struct forwarder *forwarder = *state;
        int server = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        uint16_t port = forwarder_publish_udp(forwarder, 1, 53);
        int client = connect_udp(port);
        struct sockaddr_in first, second;

        put(client, "one", NULL);
        get(server, "one", &first);
        for (int i = 0; i < 100; i++) {
                usleep(150000);
                put(client, "two", NULL);
                get(server, "two", &second);
                if (first.sin_port != second.sin_port)
                        break;
        }
        assert_int_not_equal(first.sin_port, second.sin_port);
        put(server, "late", &first); /* to nobody */
        put(server, "answer", &second);
        get(client, "answer", NULL);
        close(client);
        close(server);
}

/* The size of a process's table of descriptors. */
static unsigned long count_fds(pid_t pid)
{
        char value[256];

        read_status(pid, "FDSize:", value);
        return strtoul(value, NULL, 10);
}

/* From more clients than there is place for, and larger packets than the server takes. */
static void test_flood(void **state)
{
        struct forwarder *forwarder = *state;
        int server = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        uint16_t port = forwarder_publish_udp(forwarder, 1, 53);
        static const char large[60000];
        struct sockaddr_in there;

        for (int i = 0; i < 3000; i++) { /* each of which has been served when the next one comes */
                int fd = connect_udp(port);
                put(fd, "hello", NULL);
                get(server, "hello", NULL);
                close(fd);
        }
        assert_true(count_fds(forwarder->pid) <= 2048);
        for (int i = 0; i < 5000; i++) {
                int fd = connect_udp(port);
                send(fd, large, i % 10 == 0 ? sizeof(large) : 100, MSG_DONTWAIT);
                close(fd);
        }
        assert_true(count_fds(forwarder->pid) <= 2048);
        while (recv(server, (char[1]){ 0 }, 1, MSG_DONTWAIT) >= 0)
                ;
        int client = connect_udp(port);
        for (int i = 0;; i++) {
                char heard[64] = "";
                socklen_t size = sizeof(there);
                put(client, "still there", NULL);
                usleep(1000);
                while (recvfrom(server, heard, sizeof(heard) - 1, MSG_DONTWAIT, (struct sockaddr *) &there, &size) >= 0)
                        if (strcmp(heard, "still there") == 0)
                                break;
                if (strcmp(heard, "still there") == 0)
                        break;
                assert_true(i < 1000);
        }
        put(server, "yes", &there);
        get(client, "yes", NULL);
        close(client);
        close(server);
}

/* Pages that a process has in memory. */
static unsigned long count_pages(pid_t pid)
{
        char path[64];
        unsigned long pages = 0;

        snprintf(path, sizeof(path), "/proc/%d/statm", (int) pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%*u %lu", &pages), 1);
        fclose(f);
        return pages;
}

/* Packets that wait need memory even if they are empty. */
static void test_empty_packets_that_wait(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_faults slowness = { .up.latency_us = UINT64_C(1000000000) };
        int server = listen_inside(forwarder, SOCK_DGRAM, "127.0.0.1", 53);
        uint16_t slow_port = forwarder_publish_udp(forwarder, 1, 54);
        uint16_t port = forwarder_publish_udp(forwarder, 2, 53);
        int slow = connect_udp(slow_port), client = connect_udp(port);

        assert_int_equal(forwarder_ask_faults(forwarder, 1, slowness), 0);
        put(client, "", NULL);
        get(server, "", NULL);
        unsigned long before = count_pages(forwarder->pid);
        for (int i = 0; i < 3000; i++) {
                for (int j = 0; j < 64; j++)
                        put(slow, "", NULL);
                /* They have been received when this one comes. */
                put(client, "", NULL);
                get(server, "", NULL);
        }
        unsigned long most = before + (4UL << 20) / (unsigned long) getpagesize(), now = count_pages(forwarder->pid);
        if (now > most)
                fail_msg("%lu pages have become %lu", before, now);
        close(slow);
        close(client);
        close(server);
}

/* --- ports of the host ---------------------------------------------------------------------------------------- */

static void test_host_port(void **state)
{
        struct forwarder *forwarder = *state;
        uint16_t port;
        int listener = listen_outside(SOCK_STREAM, &port);

        assert_int_equal(forwarder_ask_host_port(forwarder, 1, MF_FORWARD_TCP, port), 0);
        for (int i = 0; i < 50; i++) { /* more than one batch of sockets */
                int client = connect_inside(forwarder, SOCK_STREAM, MF_HOST_ADDRESS, port);
                int server = accept_one(listener);
                say(client, "from inside");
                hear(server, "from inside");
                say(server, "from outside");
                shutdown(server, SHUT_WR);
                hear(client, "from outside");
                hear_end(client);
                close(client);
                hear_end(server);
                close(server);
        }
        /* Nothing else of the host can be reached through it. */
        assert_int_equal(forwarder_ask_host_port(forwarder, 2, MF_FORWARD_TCP, port), -EADDRINUSE);
        close(listener);
        int client = connect_inside(forwarder, SOCK_STREAM, MF_HOST_ADDRESS, port);
        hear_reset(client);
        close(client);
}

static void test_host_port_udp(void **state)
{
        struct forwarder *forwarder = *state;
        struct sockaddr_in there;
        uint16_t port;
        int server = listen_outside(SOCK_DGRAM, &port);

        assert_int_equal(forwarder_ask_host_port(forwarder, 1, MF_FORWARD_UDP, port), 0);
        int client = connect_inside(forwarder, SOCK_DGRAM, MF_HOST_ADDRESS, port);
        put(client, "question", NULL);
        get(server, "question", &there);
        put(server, "answer", &there);
        get(client, "answer", NULL);
        close(client);
        close(server);
}

/* What is asked for before the container is entered is there afterwards. */
static void test_host_port_before_enter(void **state)
{
        struct forwarder forwarder;
        struct mf_forward_request request = { .type = MF_FORWARD_ENTER };
        struct mf_forward_reply reply;
        uint16_t port;
        int listener = listen_outside(SOCK_STREAM, &port);

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        assert_int_equal(forwarder_ask_host_port(&forwarder, 1, MF_FORWARD_TCP, port), 0);
        forwarder_enter(&forwarder);
        int client = connect_inside(&forwarder, SOCK_STREAM, MF_HOST_ADDRESS, port), server = accept_one(listener);
        say(client, "hello");
        hear(server, "hello");
        close(client);
        close(server);
        forwarder_stop(&forwarder);
        /* Without word of it in ENTER there is nobody in the host's network to make sockets. */
        forwarder_start(&forwarder);
        assert_int_equal(forwarder_ask_host_port(&forwarder, 1, MF_FORWARD_TCP, port), 0);
        forwarder_send(&forwarder, &request, &forwarder.container, 1);
        assert_int_equal(forwarder_receive(&forwarder, &reply, NULL), -ENOTSUP);
        forwarder_stop(&forwarder);
        close(listener);
}

static pid_t find_child(pid_t parent)
{
        DIR *proc = opendir("/proc");
        pid_t found = 0;

        assert_non_null(proc);
        for (const struct dirent *entry; !found && (entry = readdir(proc));) {
                char path[300];
                int of = 0;
                snprintf(path, sizeof(path), "/proc/%s/stat", entry->d_name);
                FILE *f = fopen(path, "re");
                if (!f)
                        continue;
                if (fscanf(f, "%*d (mayfly-forward) %*c %d", &of) == 1 && of == parent)
                        found = atoi(entry->d_name);
                fclose(f);
        }
        closedir(proc);
        assert_true(found > 0);
        return found;
}

/* Without the process that makes the host's sockets its ports cannot be reached. That is a failure. */
static void test_end_of_the_child(void **state)
{
        struct forwarder forwarder;

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        forwarder_enter(&forwarder);
        assert_int_equal(kill(find_child(forwarder.pid), SIGKILL), 0);
        forwarder_expect_failure(&forwarder);
}

/* Ports below 1024 need a capability, which mayfly-forward has. */
static void test_low_port(void **state)
{
        assert_int_equal(forwarder_ask_host_port(*state, 1, MF_FORWARD_TCP, 80), 0);
        assert_int_equal(forwarder_ask_host_port(*state, 2, MF_FORWARD_TCP, 0), -EINVAL);
        assert_int_equal(forwarder_ask_host_port(*state, 2, MF_FORWARD_UNIX, 80), -EINVAL);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_packets, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_strangers, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_addresses, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_silent_client_is_forgotten, set_up_hasty, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_flood, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_empty_packets_that_wait, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_host_port, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_host_port_udp, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test(test_host_port_before_enter),
                cmocka_unit_test(test_end_of_the_child),
                cmocka_unit_test_setup_teardown(test_low_port, forwarder_set_up, forwarder_tear_down),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
