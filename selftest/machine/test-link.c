/* SPDX-License-Identifier: MIT */

/* Links that fail on purpose, through the public interface. What each fault does is tested by flow/test-forward-faults.c. */

#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/reach.h"

static const char *image;
static struct mayfly_container *container;
static unsigned host_port; /* of this program, with a listening socket */
static int host_listener = -1;

static int set_up(void **state)
{
        const struct timeval limit = { .tv_sec = 20 };

        (void) state;
        host_listener = listen_on_host(&host_port);
        assert_int_equal(setsockopt(host_listener, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        container = start_container(
                MAYFLY_SPEC(.image = image,
                            .argv = ((const char *const[]){ "/bin/serve", "tcp:127.0.0.1:6379", "udp:127.0.0.1:53",
                                                            "tcp:127.0.0.1:7000", NULL }),
                            .publish =
                                    MAYFLY_PORTS({ .name = "redis", .port = 6379 }, { .port = 53, .protocol = "udp" }),
                            .host_ports = MAYFLY_HOST_PORTS({ .port = host_port })));
        await_output(container);
        return 0;
}

static int tear_down(void **state)
{
        (void) state;
        mayfly_container_free(container);
        close(host_listener);
        return 0;
}

static void set(const char *port, const struct mayfly_link *link)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        if (mayfly_link_set(container, port, link, &err) < 0)
                fail_msg("%s", err.message);
}

static int reach(const char *port, int type)
{
        int fd = reach_port(container, port, type);

        if (fd < 0)
                fail_msg("no connection: %s", strerror(-fd));
        return fd;
}

static void is_silent(int fd)
{
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&wait, 1, 100), 0);
}

static long now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void data_come_later(void **state)
{
        int fd = reach("redis", SOCK_STREAM);

        (void) state;
        echoes(fd, "fast");
        set("6379/tcp", MAYFLY_LINK(.latency_ms = 100));
        long begin = now_ms();
        echoes(fd, "slow");
        assert_true(now_ms() - begin >= 199); /* both ways */
        set("redis", NULL);
        echoes(fd, "fast");
        close(fd);
}

static void a_direction_has_its_own_faults(void **state)
{
        int fd = reach("redis", SOCK_STREAM);

        (void) state;
        set("redis", MAYFLY_LINK(.latency_ms = 1, .down = MAYFLY_LINK_DIRECTION(.cut_after = 3)));
        assert_int_equal(send(fd, "12345", 5, MSG_NOSIGNAL), 5);
        char got[8] = "";
        assert_int_equal(recv(fd, got, 5, MSG_WAITALL), 3);
        is_reset(fd);
        set("redis", NULL);
        fd = reach("redis", SOCK_STREAM);
        echoes(fd, "12345");
        close(fd);
}

static void a_stopped_link_is_mended(void **state)
{
        int fd = reach("redis", SOCK_STREAM);
        char got[8] = "";

        (void) state;
        set("redis", MAYFLY_LINK(.stopped = 1));
        assert_int_equal(send(fd, "hello", 5, MSG_NOSIGNAL), 5);
        is_silent(fd);
        set("redis", NULL);
        assert_int_equal(recv(fd, got, 5, MSG_WAITALL), 5);
        assert_string_equal(got, "hello");
        close(fd);
}

static void connections_are_refused_and_reset(void **state)
{
        int fd = reach("redis", SOCK_STREAM);

        (void) state;
        echoes(fd, "before");
        set("redis", MAYFLY_LINK(.refuse = 1));
        is_reset(reach("redis", SOCK_STREAM));
        echoes(fd, "open ones live");
        set("redis", MAYFLY_LINK(.reset = 1));
        is_reset(fd);
        fd = reach("redis", SOCK_STREAM);
        echoes(fd, "new ones live");
        close(fd);
}

static void packets_come_late_or_never(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = reach("53/udp", SOCK_DGRAM);

        (void) state;
        echoes(fd, "fast");
        set("53/udp", MAYFLY_LINK(.latency_ms = 50, .jitter_ms = 10));
        echoes(fd, "slow");
        set("53/udp", MAYFLY_LINK(.stopped = 1));
        assert_int_equal(send(fd, "lost", 4, 0), 4);
        is_silent(fd);
        set("53/udp", NULL);
        echoes(fd, "fast");
        close(fd);
        assert_int_equal(mayfly_link_set(container, "53/udp", MAYFLY_LINK(.refuse = 1), &err), -ENOTSUP);
        assert_non_null(strstr(err.message, "a UDP port can have latency and jitter and be stopped"));
}

/* Exits with 0 when a client of this program's port says this. */
static pid_t expect_client(const char *text)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid > 0)
                return pid;
        char got[8] = "";
        int fd = accept4(host_listener, NULL, NULL, SOCK_CLOEXEC);
        ssize_t n = recv(fd, got, strlen(text), MSG_WAITALL);
        _exit(n != (ssize_t) strlen(text) || memcmp(got, text, strlen(text)) != 0);
}

static void ports_of_the_host_fail_too(void **state)
{
        char port[32], line[128];
        int status;

        (void) state;
        snprintf(port, sizeof(port), "host:%u", host_port);
        set(port, MAYFLY_LINK(.up = MAYFLY_LINK_DIRECTION(.corrupt_at = 1)));
        pid_t pid = expect_client("\x9e"
                                  "bc\n");
        /* By its number, because a static busybox resolves no names. */
        snprintf(line, sizeof(line), "echo abc | nc 127.77.70.1 %u", host_port);
        sh(container, line);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void refuses(const char *port, const struct mayfly_link *link, int code, const char *text)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        int r = mayfly_link_set(container, port, link, &err);
        if (r != code || !strstr(err.message, text))
                fail_msg("%d: %s", r, err.message);
}

static void wrong_links_are_refused(void **state)
{
        struct mayfly_link zero = { 0 };

        (void) state;
        refuses("7000/tcp", NULL, -ENOENT, "7000/tcp");
        refuses("host:1", NULL, -ENOENT, "host_ports");
        refuses("none", NULL, -ENOENT, "none");
        refuses("redis", MAYFLY_LINK(.latency_ms = 3600001), -EINVAL, "latency_ms = 3600001");
        refuses("redis", MAYFLY_LINK(.jitter_ms = 3600001), -EINVAL, "jitter_ms = 3600001");
        refuses("redis", MAYFLY_LINK(.slow_close_ms = 3600001), -EINVAL, "slow_close_ms = 3600001");
        refuses("redis", MAYFLY_LINK(.up = MAYFLY_LINK_DIRECTION(.latency_ms = 3600001)), -EINVAL, "latency_ms");
        refuses("redis", &zero, -EINVAL, "the link: the size is 0");
        refuses(NULL, NULL, -EINVAL, "needs a container and a port");
}

static void the_hosts_network_has_no_links(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, .idle = 1, .network = MAYFLY_NETWORK_HOST,
                                            .publish = MAYFLY_PORTS({ .port = 46380 })));
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        assert_int_equal(mayfly_link_set(c, "46380/tcp", MAYFLY_LINK(.refuse = 1), &err), -ENOTSUP);
        assert_non_null(strstr(err.message, "MAYFLY_NETWORK_HOST"));
        mayfly_container_free(c);
}

/* The last one: it ends the container. */
static void a_dead_container_has_no_links(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        int fd = reach("redis", SOCK_STREAM);
        echoes(fd, "alive");
        set("redis", MAYFLY_LINK(.latency_ms = 3600000));
        assert_int_equal(mayfly_container_stop(container, NULL), 0);
        char byte;
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
        assert_int_equal(mayfly_link_set(container, "redis", NULL, &err), -ESRCH);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(data_come_later),
                cmocka_unit_test(a_direction_has_its_own_faults),
                cmocka_unit_test(a_stopped_link_is_mended),
                cmocka_unit_test(connections_are_refused_and_reset),
                cmocka_unit_test(packets_come_late_or_never),
                cmocka_unit_test(ports_of_the_host_fail_too),
                cmocka_unit_test(wrong_links_are_refused),
                cmocka_unit_test(the_hosts_network_has_no_links),
                cmocka_unit_test(a_dead_container_has_no_links),
        };

        image = serving_image("link");
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
