/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "flow/forwarder.h"
#include "support/support.h"

/* A client and the server's end of its connection, through a port that is published. */
static void make_pair(struct forwarder *forwarder, int *ret_client, int *ret_server)
{
        uint16_t port;
        int listener = listen_published(forwarder, &port);

        *ret_client = connect_outside(port);
        *ret_server = accept_one(listener);
        close(listener);
}

static void test_both_ways(void **state)
{
        int client, server;

        make_pair(*state, &client, &server);
        say(client, "a question");
        hear(server, "a question");
        say(server, "an answer");
        hear(client, "an answer");
        /* The client has said all, and still hears. */
        shutdown(client, SHUT_WR);
        hear_end(server);
        say(server, "one more answer");
        hear(client, "one more answer");
        close(server);
        hear_end(client);
        close(client);
}

static void test_server_ends_first(void **state)
{
        int client, server;

        make_pair(*state, &client, &server);
        say(server, "welcome");
        shutdown(server, SHUT_WR);
        hear(client, "welcome");
        hear_end(client);
        say(client, "still here");
        hear(server, "still here");
        close(client);
        hear_end(server);
        close(server);
}

static void test_resets(void **state)
{
        struct forwarder *forwarder = *state;
        uint16_t port;
        int listener = listen_published(forwarder, &port);

        int client = connect_outside(port), server = accept_one(listener);
        say(server, "bye");
        hear(client, "bye");
        reset_socket(server);
        hear_reset(client);
        close(client);

        client = connect_outside(port);
        server = accept_one(listener);
        say(client, "hello");
        hear(server, "hello");
        reset_socket(client);
        hear_reset(server);
        close(server);

        /* A server that closes at once, and has not read what was sent. */
        client = connect_outside(port);
        server = accept_one(listener);
        say(client, "unread");
        while (recv(server, (char[1]){ 0 }, 1, MSG_PEEK) != 1)
                ;
        close(server);
        hear_reset(client);
        close(client);
        close(listener);
}

/* Writes `size` bytes that tell their place. */
static void pour(int fd, size_t size)
{
        uint32_t block[4096];

        for (size_t i = 0; i < size / sizeof(*block);) {
                size_t n = 0;
                for (; n < 4096 && i < size / sizeof(*block); n++)
                        block[n] = (uint32_t) (2654435761U * i++);
                for (size_t done = 0; done < n * sizeof(*block);) {
                        ssize_t w = send(fd, (char *) block + done, n * sizeof(*block) - done, MSG_NOSIGNAL);
                        if (w < 0)
                                _exit(1);
                        done += (size_t) w;
                }
        }
}

/* Returns how many bytes came before the end. */
static size_t drink(int fd)
{
        uint32_t block[4096];
        size_t at = 0;

        for (;;) {
                ssize_t n = recv(fd, block, sizeof(block), MSG_WAITALL);
                if (n <= 0)
                        return n < 0 ? 0 : at;
                for (size_t i = 0; i < (size_t) n / sizeof(*block); i++)
                        if (block[i] != (uint32_t) (2654435761U * (at / sizeof(*block) + i)))
                                fail_msg("wrong data after byte %zu", at + i * sizeof(*block));
                at += (size_t) n;
        }
}

static void test_much_data(void **state)
{
        const size_t size = 32U << 20;
        pid_t children[2];
        int client, server, status;

        make_pair(*state, &client, &server);
        for (int i = 0; i < 2; i++) {
                children[i] = fork();
                assert_true(children[i] >= 0);
                if (children[i] == 0) {
                        pour(i ? server : client, size);
                        shutdown(i ? server : client, SHUT_WR);
                        _exit(0);
                }
        }
        pid_t reader = fork();
        if (reader == 0)
                _exit(drink(server) != size);
        assert_int_equal(drink(client), size);
        assert_int_equal(waitpid(reader, &status, 0), reader);
        assert_int_equal(status, 0);
        for (int i = 0; i < 2; i++)
                assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        close(client);
        close(server);
}

static void test_slow_readers(void **state)
{
        int client, server;

        make_pair(*state, &client, &server);
        size_t sent = fill(client, 20, 10000);
        assert_true(sent < 64U << 20); /* the kernel's buffers of four sockets, and a pipe */
        shutdown(client, SHUT_WR);
        size_t taken = 0;
        for (ssize_t n; (n = recv(server, (char[65536]){ 0 }, 65536, 0)) > 0;)
                taken += (size_t) n;
        assert_int_equal(taken, sent);
        /* A client that never reads does not keep a reset from the server. */
        fill(server, 20, 10000);
        reset_socket(server);
        close(client);
}

/* Says who listens, and expects that a client of the port reaches it. */
static void reach(struct forwarder *forwarder, uint16_t port, const char *address)
{
        int listener = listen_inside(forwarder, SOCK_STREAM, address, 7000);
        int client = connect_outside(port), server = accept_one(listener);

        say(client, address);
        hear(server, address);
        close(client);
        hear_end(server);
        close(server);
        close(listener);
}

static void test_addresses(void **state)
{
        struct forwarder *forwarder = *state;
        static const char *const addresses[] = { "127.0.0.1", "::1", "127.0.0.2", "0.0.0.0", "::", "127.1.2.3", "::1" };
        uint16_t port = forwarder_publish(forwarder, 1, 7000);

        for (size_t i = 0; i < sizeof(addresses) / sizeof(*addresses); i++) {
                reach(forwarder, port, addresses[i]);
                /* Nobody listens. */
                int client = connect_outside(port);
                hear_reset(client);
                close(client);
        }
}

static void test_queue_before_enter(void **state)
{
        struct forwarder forwarder;

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        uint16_t port = forwarder_publish(&forwarder, 7, 80);
        int client = connect_outside(port);
        say(client, "early");
        assert_int_equal(forwarder_ask_socket(&forwarder, AF_INET, SOCK_STREAM, NULL), -ENOTCONN);
        /* Nobody listens in the container yet, so that the first client is sent away as soon as it has been entered. */
        forwarder_enter(&forwarder);
        hear_reset(client);
        close(client);
        int listener = listen_inside(&forwarder, SOCK_STREAM, "127.0.0.1", 80);
        client = connect_outside(port);
        say(client, "later");
        int server = accept_one(listener);
        hear(server, "later");
        forwarder_stop(&forwarder);
        hear_end(client);
        hear_end(server);
        close(client);
        close(server);
        close(listener);
}

/* Asks for a connection to a Unix socket of the container. Returns the answer's error. */
static int ask_path(struct forwarder *forwarder, const char *path, struct mf_forward_reply *reply, int *ret_fd)
{
        struct mf_forward_request request = { .type = MF_FORWARD_CONNECT };

        snprintf(request.target.path, sizeof(request.target.path), "%s", path);
        forwarder_send(forwarder, &request, NULL, 0);
        return forwarder_receive(forwarder, reply, ret_fd);
}

/* Makes a Unix socket at a path of the container, listening. */
static int listen_at(struct forwarder *forwarder, const char *path)
{
        struct sockaddr_un address = { .sun_family = AF_UNIX };
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        snprintf(address.sun_path, sizeof(address.sun_path), "%.60s%.40s", forwarder->root, path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static void make_link(struct forwarder *forwarder, const char *path, const char *to)
{
        char full[256];

        snprintf(full, sizeof(full), "%s%s", forwarder->root, path);
        assert_int_equal(symlink(to, full), 0);
}

/* Expects that a path leads to a socket of the container that listens. */
static void reach_path(struct forwarder *forwarder, const char *path, int listener)
{
        struct mf_forward_reply reply;
        int fd = -1;

        assert_int_equal(ask_path(forwarder, path, &reply, &fd), 0);
        int server = accept_one(listener);
        say(fd, path);
        hear(server, path);
        close(fd);
        close(server);
}

static void test_paths(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_reply reply;
        char up[256];

        snprintf(up, sizeof(up), "%s/deep", forwarder->root);
        assert_int_equal(mkdir(up, 0700), 0);
        int listener = listen_at(forwarder, "/deep/x.sock");
        make_link(forwarder, "/link.sock", "/deep/x.sock");
        make_link(forwarder, "/up.sock", "../../../../../../deep/x.sock");
        make_link(forwarder, "/here", "deep");
        make_link(forwarder, "/again", "/again");
        make_link(forwarder, "/again.sock", "again.sock");
        reach_path(forwarder, "/deep/x.sock", listener);
        reach_path(forwarder, "/link.sock", listener);
        reach_path(forwarder, "/up.sock", listener);
        reach_path(forwarder, "/here/x.sock", listener);
        reach_path(forwarder, "/../..//deep/../here/x.sock", listener);

        assert_int_equal(ask_path(forwarder, "/", &reply, NULL), -ENOTSOCK);
        assert_int_equal(ask_path(forwarder, "/deep", &reply, NULL), -ENOTSOCK);
        assert_int_equal(ask_path(forwarder, "/deep/", &reply, NULL), -ENOTSOCK);
        assert_int_equal(ask_path(forwarder, "", &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, "/none", &reply, NULL), -ENOENT);
        assert_non_null(strstr(reply.text, "/none"));
        assert_int_equal(ask_path(forwarder, "/none/x.sock", &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, "/deep/x.sock/y", &reply, NULL), -ENOTDIR);
        assert_int_equal(ask_path(forwarder, "/again/x.sock", &reply, NULL), -ELOOP);
        assert_int_equal(ask_path(forwarder, "/again.sock", &reply, NULL), -ELOOP);
        close(listener);
        assert_int_equal(ask_path(forwarder, "/deep/x.sock", &reply, NULL), -ECONNREFUSED);
}

/* A socket of the host is out of reach, whatever the path and the links on it. */
static void test_paths_that_lead_out(void **state)
{
        struct forwarder *forwarder = *state;
        struct forwarder host = { .root = make_directory() };
        struct mf_forward_reply reply;
        char path[256], link[300];
        int listener = listen_at(&host, "/x.sock");

        snprintf(path, sizeof(path), "%s/x.sock", host.root);
        make_link(forwarder, "/out.sock", path);
        make_link(forwarder, "/out", host.root);
        snprintf(link, sizeof(link), "../../../../../..%s", path);
        make_link(forwarder, "/up.sock", link);
        assert_int_equal(ask_path(forwarder, path, &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, link, &reply, NULL), -ENOENT);
        snprintf(link, sizeof(link), "/../../..%s", path);
        assert_int_equal(ask_path(forwarder, link, &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, "/out.sock", &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, "/up.sock", &reply, NULL), -ENOENT);
        assert_int_equal(ask_path(forwarder, "/out/x.sock", &reply, NULL), -ENOENT);
        close(listener);
        remove_directory(host.root);
}

/* The path is longer than the address of a socket may be. */
static void test_long_path(void **state)
{
        struct forwarder *forwarder = *state;
        char path[4096];
        size_t root = strlen(forwarder->root);

        snprintf(path, sizeof(path), "%s", forwarder->root);
        for (int i = 0; i < 10; i++) {
                snprintf(path + strlen(path), sizeof(path) - strlen(path), "/a-rather-long-name-of-a-directory");
                assert_int_equal(mkdir(path, 0700), 0);
        }
        make_link(forwarder, "/short", path + root + 1);
        int listener = listen_at(forwarder, "/short/x.sock");
        snprintf(path + strlen(path), sizeof(path) - strlen(path), "/x.sock");
        reach_path(forwarder, path + root, listener);
        close(listener);
}

static void test_unix_target(void **state)
{
        struct forwarder *forwarder = *state;
        int listener = listen_at(forwarder, "/x.sock");
        uint16_t port = forwarder_publish_path(forwarder, 1, "/x.sock");

        int client = connect_outside(port), server = accept_one(listener);
        say(client, "a question");
        hear(server, "a question");
        say(server, "an answer");
        close(server);
        hear(client, "an answer");
        hear_end(client);
        close(client);
        close(listener);
        client = connect_outside(port);
        hear_reset(client);
        close(client);
}

/* An urgent byte keeps its place among the others, and none is left behind it. */
static void test_urgent_data(void **state)
{
        int client, server;

        make_pair(*state, &client, &server);
        for (int i = 0; i < 100; i++) {
                assert_int_equal(send(client, "abc", 3, MSG_OOB), 3);
                say(client, "def");
                hear(server, "abcdef");
                assert_int_equal(send(server, "x", 1, MSG_OOB), 1);
                hear(client, "x");
        }
        close(client);
        close(server);
}

/* A server's descriptors go nowhere, and what is sent with them and after them arrives. */
static void test_descriptors_from_inside(void **state)
{
        struct forwarder *forwarder = *state;
        int listener = listen_at(forwarder, "/x.sock");
        uint16_t port = forwarder_publish_path(forwarder, 1, "/x.sock");
        int client = connect_outside(port), server = accept_one(listener);

        for (int i = 0; i < 100; i++) {
                send_with_descriptors(server, "abc", server, 1);
                send_with_descriptors(server, "def", server, 1);
                say(server, "ghi");
                hear(client, "abcdefghi");
        }
        close(client);
        close(server);
        close(listener);
}

static uint64_t network_of(int socket)
{
        uint64_t cookie = 0;
        socklen_t size = sizeof(cookie);

        assert_int_equal(getsockopt(socket, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size), 0);
        return cookie;
}

static void test_network(void **state)
{
        struct forwarder *forwarder = *state;
        int inside = -1, second = -1, own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET, SOCK_STREAM, &inside), 0);
        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET6, SOCK_DGRAM, &second), 0);
        assert_int_equal(network_of(inside), network_of(second));
        assert_int_not_equal(network_of(inside), network_of(own));
        close(inside);
        close(second);
        close(own);
}

static void test_bad_requests(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_request request = { .type = 99 };
        struct mf_forward_reply reply;
        uint16_t port;

        assert_int_equal(forwarder_ask(forwarder, &request, NULL), -EBADRQC);
        assert_int_equal(forwarder_ask_socket(forwarder, AF_INET, SOCK_RDM, NULL), -ESOCKTNOSUPPORT);
        request = (struct mf_forward_request){ .type = MF_FORWARD_LISTEN,
                                               .target = { .kind = MF_FORWARD_TCP, .port = 80 } };
        assert_int_equal(forwarder_ask(forwarder, &request, NULL), -EINVAL);
        request.target.port = 65536;
        int fd = listen_outside(SOCK_STREAM, &port);
        forwarder_send(forwarder, &request, &fd, 1);
        assert_int_equal(forwarder_receive(forwarder, &reply, NULL), -EINVAL);
        assert_non_null(strstr(reply.text, "65536"));
        close(fd);
        request.type = MF_FORWARD_ENTER;
        forwarder_send(forwarder, &request, &forwarder->container, 1);
        assert_int_equal(forwarder_receive(forwarder, &reply, NULL), -EALREADY);
}

/* Answers are not lost when nobody reads them for a while. */
static void test_unread_answers(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_request request = { .type = MF_FORWARD_FAULTS, .link = 5 };
        struct mf_forward_reply reply;
        int n = 0;

        fcntl(forwarder->control, F_SETFL, O_NONBLOCK);
        for (int quiet = 0; quiet < 20;) {
                if (mf_forward_request_send(forwarder->control, &request, NULL, 0) == 0) {
                        n++;
                        continue;
                }
                usleep(10000);
                quiet++;
        }
        assert_true(n > 100);
        fcntl(forwarder->control, F_SETFL, 0);
        for (int i = 0; i < n; i++)
                assert_int_equal(forwarder_receive(forwarder, &reply, NULL), -ENOENT);
}

/* What ends mayfly-forward, but for the end of the library, is a failure: the container cannot go on without its ports. */
static void test_bad_message(void **state)
{
        struct forwarder forwarder;

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        forwarder_enter(&forwarder);
        say(forwarder.control, "no request");
        forwarder_expect_failure(&forwarder);
}

/* An answer whose descriptor finds no place here is lost, and the next one is not. */
static void test_no_place_for_a_descriptor(void **state)
{
        struct forwarder *forwarder = *state;
        struct mf_forward_request request = { .type = MF_FORWARD_SOCKET,
                                              .domain = AF_INET,
                                              .socket_type = SOCK_STREAM };
        struct mf_forward_reply reply;
        struct rlimit limit;
        int fd = -1;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        forwarder_send(forwarder, &request, NULL, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0, limit.rlim_max }), 0);
        int r = mf_forward_reply_recv(forwarder->control, &reply, &fd, 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(r, -EMFILE);
        assert_int_equal(forwarder_ask(forwarder, &request, &fd), 0);
        close(fd);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_both_ways, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_server_ends_first, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_resets, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_much_data, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_slow_readers, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_addresses, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test(test_queue_before_enter),
                cmocka_unit_test_setup_teardown(test_paths, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_paths_that_lead_out, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_long_path, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_unix_target, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_urgent_data, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_descriptors_from_inside, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_network, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_bad_requests, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test_setup_teardown(test_unread_answers, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test(test_bad_message),
                cmocka_unit_test_setup_teardown(test_no_place_for_a_descriptor, forwarder_set_up, forwarder_tear_down),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
