/* SPDX-License-Identifier: MIT */

/* Published ports, connected sockets, and ports of the host. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mayfly/cmocka.h>
#include <mayfly/network.h>

#include "support/containers.h"
#include "support/reach.h"

static const char *image;

#define SERVES(...) ((const char *const[]){ "/bin/serve", __VA_ARGS__, NULL })
#define START(...) start_container(MAYFLY_SPEC(.image = image, __VA_ARGS__))

/* What is sent must come back. Closes the connection. */
static void answers(int fd)
{
        echoes(fd, "hello");
        close(fd);
}

static int connected(struct mayfly_container *c, const char *port)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = -1;

        if (mayfly_container_connect(c, port, &fd, &err) < 0)
                fail_msg("%s", err.message);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
        return fd;
}

static void a_published_port_reaches_the_app(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379"), .publish = MAYFLY_PORTS({ .name = "redis", .port = 6379 }));
        struct mayfly_address address;

        (void) state;
        await_output(c);
        answers(reach_port(c, "6379", SOCK_STREAM));
        answers(reach_port(c, "6379/tcp", SOCK_STREAM));
        answers(reach_port(c, "redis", SOCK_STREAM));
        address_of(c, "6379/tcp", &address);
        char text[64];
        snprintf(text, sizeof(text), "127.0.0.1:%u", address.port);
        assert_string_equal(address.text, text);
        assert_string_equal(address.host, "127.0.0.1");
        struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                                   .sin6_port = htons((uint16_t) address.port),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT };
        int fd = reach_address((const struct sockaddr *) &v6, sizeof(v6), SOCK_STREAM);
        if (fd != -EADDRNOTAVAIL) /* a host without IPv6 */
                answers(fd);
        mayfly_container_free(c);
}

static void a_port_is_found_wherever_the_app_listens(void **state)
{
        struct mayfly_container *c = START(.argv = SERVES("tcp6:::1:1001", "tcp:127.0.0.2:1002", "tcp:0.0.0.0:1003",
                                                          "tcp6::::1004", "udp:127.0.0.2:1002", "udp6:::1:1001"),
                                           .publish = MAYFLY_PORTS({ .port = 1001 }, { .port = 1002 }, { .port = 1003 },
                                                                   { .port = 1004 }, { .port = 1005 }),
                                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("1001"), MAYFLY_WAIT_PORT("1002"),
                                                               MAYFLY_WAIT_PORT("1003"), MAYFLY_WAIT_PORT("1004")));

        (void) state;
        await_output(c);
        answers(reach_port(c, "1001", SOCK_STREAM));
        answers(reach_port(c, "1002", SOCK_STREAM));
        answers(reach_port(c, "1003", SOCK_STREAM));
        answers(reach_port(c, "1004", SOCK_STREAM));
        answers(connected(c, "1001"));
        answers(connected(c, "1002"));
        answers(connected(c, "1003"));
        answers(connected(c, "1004"));
        answers(connected(c, "1001/udp"));
        answers(connected(c, "1002/udp"));
        /* Nothing listens there: the connection ends at once. */
        int fd = reach_port(c, "1005", SOCK_STREAM);
        if (fd >= 0) {
                is_reset(fd);
        } else {
                assert_int_equal(fd, -ECONNRESET);
        }
        mayfly_container_free(c);
}

static void a_port_is_found_at_an_address_of_a_network(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_network *network = NULL;

        (void) state;
        if (mayfly_network_create(&network, &err) < 0)
                fail_msg("%s", err.message);
        struct mayfly_network *const networks[] = { network, NULL };
        struct mayfly_container *c =
                START(.name = "own", .networks = networks, .entrypoint = MAYFLY_STRINGS("/bin/sh", "-c"),
                      .argv = MAYFLY_STRINGS("a=$(grep -w own /etc/hosts | cut -f 1 | grep -v : | head -n 1); "
                                             "exec serve tcp:$a:1001 udp:$a:1002"),
                      .publish = MAYFLY_PORTS({ .port = 1001 }, { .port = 1002, .protocol = "udp" }));
        await_output(c);
        answers(connected(c, "1001"));
        answers(connected(c, "1002/udp"));
        answers(reach_port(c, "1001", SOCK_STREAM));
        answers(reach_port(c, "1002/udp", SOCK_DGRAM));
        mayfly_container_free(c);
        mayfly_network_free(network);
}

static void packets_are_passed_on(void **state)
{
        struct mayfly_container *c = START(.argv = SERVES("udp:127.0.0.1:53", "udp6:::1:54"),
                                           .publish = MAYFLY_PORTS({ .name = "dns", .port = 53, .protocol = "udp" },
                                                                   { .port = 54, .protocol = "udp" }));

        (void) state;
        await_output(c);
        int one = reach_port(c, "dns", SOCK_DGRAM), other = reach_port(c, "53/udp", SOCK_DGRAM);
        answers(one);
        answers(other);
        answers(reach_port(c, "54/udp", SOCK_DGRAM));
        mayfly_container_free(c);
}

/* As with docker and podman: the app need not be root for port 80. */
static void any_user_listens_on_a_low_port(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:0.0.0.0:80"), .user = "www", .publish = MAYFLY_PORTS({ .port = 80 }));

        (void) state;
        await_output(c);
        answers(reach_port(c, "80", SOCK_STREAM));
        mayfly_container_free(c);
}

static void connected_sockets_need_no_port(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379", "tcp6:::1:6380", "udp:127.0.0.1:53", "unix:/run/x.sock"));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = -1;

        (void) state;
        await_output(c);
        answers(connected(c, "6379/tcp"));
        answers(connected(c, "6380"));
        answers(connected(c, "53/udp"));
        answers(connected(c, "unix:/run/x.sock"));
        assert_int_equal(mayfly_container_connect(c, "7/tcp", &fd, &err), -ECONNREFUSED);
        assert_non_null(strstr(err.message, "nothing listens on 7/tcp in container "));
        assert_non_null(strstr(err.message, "; "));
        assert_non_null(strstr(err.message, "127.0.0.1:6379"));
        assert_non_null(strstr(err.message, "[::1]:6380"));
        assert_non_null(strstr(err.message, " do. Has the app started to serve?"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_container_connect(c, "7/udp", &fd, &err), -ECONNREFUSED);
        assert_non_null(strstr(err.message, "nothing listens on 7/udp in container "));
        assert_non_null(strstr(err.message, "; 127.0.0.1:53 does. "));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_container_connect(c, "unix:/run/none", &fd, &err), -ENOENT);
        assert_int_equal(fd, -1);
        mayfly_container_free(c);
}

static void a_unix_socket_is_published_as_a_port(void **state)
{
        struct mayfly_container *c = START(.argv = SERVES("unix:/run/x.sock"),
                                           .publish = MAYFLY_PORTS({ .path = "/run/x.sock", .name = "admin" }));

        (void) state;
        await_output(c);
        answers(reach_port(c, "admin", SOCK_STREAM));
        answers(reach_port(c, "unix:/run/x.sock", SOCK_STREAM));
        mayfly_container_free(c);
}

/* Where neither the host's root nor the container's could go by the mode alone. */
static void a_users_own_unix_socket_is_reached(void **state)
{
        struct mayfly_container *c =
                START(.user = "www", .entrypoint = MAYFLY_STRINGS("/bin/sh", "-c"),
                      .argv = MAYFLY_STRINGS("umask 077; mkdir /tmp/own; cd /tmp/own; exec serve unix:/tmp/own/x.sock"),
                      .publish = MAYFLY_PORTS({ .path = "/tmp/own/x.sock" }));

        (void) state;
        await_output(c);
        answers(connected(c, "unix:/tmp/own/x.sock"));
        answers(reach_port(c, "unix:/tmp/own/x.sock", SOCK_STREAM));
        mayfly_container_free(c);
}

static void a_running_container_publishes_more(void **state)
{
        struct mayfly_container *c = START(.argv = SERVES("tcp:127.0.0.1:6379", "tcp:127.0.0.1:6380"));
        struct mayfly_publish more = MAYFLY_PUBLISH_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        await_output(c);
        more.port = 6380;
        if (mayfly_container_publish(c, &more, &err) < 0)
                fail_msg("%s", err.message);
        answers(reach_port(c, "6380", SOCK_STREAM));
        assert_int_equal(mayfly_container_publish(c, &more, &err), -EEXIST);
        assert_non_null(strstr(err.message, "the port 6380/tcp is published already, at 127.0.0.1:"));
        mayfly_container_free(c);
}

/* Dozens, more than fit into the socket before mayfly-forward reads it. */
static void many_ports_are_published_at_once(void **state)
{
        struct mayfly_publish ports[202] = { MAYFLY_PUBLISH_INIT };
        char text[16];

        (void) state;
        for (unsigned i = 1; i <= 200; i++)
                ports[i].port = 6000 + i;
        struct mayfly_container *c = START(.argv = SERVES("tcp:127.0.0.1:6200"), .publish = ports,
                                           .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("6200")));
        await_output(c);
        for (unsigned i = 1; i <= 200; i++) {
                struct mayfly_address address;
                snprintf(text, sizeof(text), "%u", 6000 + i);
                address_of(c, text, &address);
        }
        answers(reach_port(c, "6200", SOCK_STREAM));
        mayfly_container_free(c);
}

static void the_app_learns_the_published_number(void **state)
{
        struct mayfly_container *c =
                START(.argv = ((const char *const[]){ "/bin/sh", "-c", "echo \"$0 $WHERE\"; exec sleep 1000",
                                                      "port={mayfly:port:9092/tcp}", NULL }),
                      .env = ((const char *const[]){ "WHERE=tcp://{mayfly:address:9092}/x", NULL }),
                      .publish = MAYFLY_PORTS({ .port = 9092 }), .wait = MAYFLY_WAIT_NONE);
        struct mayfly_address address;
        char expected[128], *log = NULL;

        (void) state;
        await_output(c);
        address_of(c, "9092", &address);
        snprintf(expected, sizeof(expected), "port=%u tcp://%s/x\n", address.port, address.text);
        assert_int_equal(mayfly_container_logs(c, &log, NULL, NULL), 0);
        assert_string_equal(log, expected);
        free(log);
        mayfly_container_free(c);
}

static void a_wanted_number_is_had_or_refused(void **state)
{
        struct mayfly_container *c = START(.idle = 1, .publish = MAYFLY_PORTS({ .port = 1 }));
        struct mayfly_address address;
        char text[96];

        (void) state;
        address_of(c, "1", &address);
        /* By the other container's mayfly-forward, whose name the user who started it can see. */
        snprintf(text, sizeof(text), "the port 2/tcp cannot be published at %s, which is in use by process ",
                 address.text);
        start_fails(MAYFLY_SPEC(.image = image, .idle = 1,
                                .publish = MAYFLY_PORTS({ .port = 2, .host_port = address.port })),
                    -EADDRINUSE, text);
        unsigned wanted = address.port;
        mayfly_container_free(c);
        c = START(.idle = 1, .publish = MAYFLY_PORTS({ .port = 2, .host_port = wanted }));
        address_of(c, "2", &address);
        assert_int_equal(address.port, wanted);
        mayfly_container_free(c);
}

static void wrong_ports_are_refused(void **state)
{
        (void) state;
#define REFUSES(code, text, ...) \
        start_fails(MAYFLY_SPEC(.image = image, .idle = 1, .publish = MAYFLY_PORTS(__VA_ARGS__)), code, text)
        REFUSES(-EINVAL, "publish has an entry without port, name and path", { .host_port = 4000 });
        REFUSES(-EINVAL, "publish has the port number 65536; a port is between 1 and 65535", { .port = 65536 });
        REFUSES(-EINVAL, "publish has the port number 70000", { .port = 1, .host_port = 70000 });
        REFUSES(-EPROTONOSUPPORT, "has the protocol \"sctp\"; mayfly knows tcp and udp",
                { .port = 1, .protocol = "sctp" });
        REFUSES(-ENOENT, "has no port \"redis\"", { .name = "redis" });
        REFUSES(-EEXIST, "the port 1/tcp is published already", { .port = 1 }, { .port = 1 });
        REFUSES(-EEXIST, "have the name \"a\"", { .name = "a", .port = 1 }, { .name = "a", .port = 2 });
        REFUSES(-EINVAL, "has the name \"80\"; a name begins with no digit", { .name = "80", .port = 8080 });
        REFUSES(-EINVAL, "has the name \"a/b\"; a name", { .name = "a/b", .path = "/run/x" });
        REFUSES(-EINVAL, "has both the path /x and a port", { .path = "/x", .port = 2 });
        REFUSES(-EINVAL, "names no Unix socket", { .path = "x" });
        start_fails(MAYFLY_SPEC(.image = image, .argv = SERVES("{mayfly:port:1}")), -ENOENT, "is not published");
        start_fails(MAYFLY_SPEC(.image = image, .argv = SERVES("{mayfly:prot:1}")), -EINVAL,
                    "write {mayfly:port:PORT}");
}

static void a_port_that_is_not_there_is_named(void **state)
{
        struct mayfly_container *c = START(.idle = 1, .publish = MAYFLY_PORTS({ .port = 1, .name = "one" }));
        struct mayfly_address address = MAYFLY_ADDRESS_INIT;
        static const struct {
                const char *port, *message;
                int code;
        } wrong[] = {
                { NULL, "the port is NULL", -EINVAL },
                { "", "the port is empty", -EINVAL },
                { "2", "the port 2/tcp of container ", -ENOENT },
                { "1/udp", "is not published; ", -ENOENT },
                { "two", "the spec publishes one", -ENOENT },
                { "0", "is not between 1 and 65535", -EINVAL },
                { "99999/tcp", "is not between 1 and 65535", -EINVAL },
                { "1/sctp", "mayfly knows tcp and udp", -EPROTONOSUPPORT },
                { "1 ", "has no port \"1 \"", -ENOENT },
                { "unix:run/x", "names no Unix socket", -EINVAL },
        };

        (void) state;
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
                struct mayfly_error err = MAYFLY_ERROR_INIT;
                int r = mayfly_container_address(c, wrong[i].port, &address, &err);
                if (r != wrong[i].code || !strstr(err.message, wrong[i].message))
                        fail_msg("%s: %d: %s", wrong[i].port, r, err.message);
        }
        mayfly_container_free(c);
}

/* Whatever is connected when the container ends learns of it, and the number is free again. */
static void an_end_closes_ports_and_connections(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379"), .publish = MAYFLY_PORTS({ .port = 6379 }));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_address address;
        char byte;

        (void) state;
        await_output(c);
        int fd = reach_port(c, "6379", SOCK_STREAM), fd2 = -1;
        assert_true(fd >= 0);
        assert_int_equal(mayfly_container_stop(c, NULL), 0);
        assert_true(recv(fd, &byte, 1, 0) <= 0);
        close(fd);
        address_of(c, "6379", &address);
        assert_int_equal(reach_address(address.sockaddr, address.sockaddr_size, SOCK_STREAM), -ECONNREFUSED);
        assert_int_equal(mayfly_container_connect(c, "6379", &fd2, &err), -ESRCH);
        mayfly_container_free(c);
}

/* It dies with a thousand connections open: each client learns of it. */
static void a_death_ends_every_connection(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379"), .publish = MAYFLY_PORTS({ .port = 6379 }));
        struct rlimit limit;
        int fds[1000];
        char byte;

        (void) state;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        await_output(c);
        for (size_t i = 0; i < 1000; i++) {
                fds[i] = reach_port(c, "6379", SOCK_STREAM);
                assert_true(fds[i] >= 0);
                assert_int_equal(send(fds[i], "x", 1, MSG_NOSIGNAL), 1);
                assert_int_equal(recv(fds[i], &byte, 1, 0), 1);
        }
        assert_int_equal(kill(mayfly_container_leader(c), SIGKILL), 0);
        for (size_t i = 0; i < 1000; i++) {
                ssize_t n = recv(fds[i], &byte, 1, 0);
                assert_true(n == 0 || (n < 0 && errno != EAGAIN)); /* which is the time-out */
                close(fds[i]);
        }
        mayfly_container_free(c);
}

static void on_the_hosts_network_a_port_is_the_apps_own(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:46379", "unix:/run/x.sock"), .network = MAYFLY_NETWORK_HOST,
                      .publish = MAYFLY_PORTS({ .port = 46379, .name = "redis" }));
        struct mayfly_address address;

        (void) state;
        await_output(c);
        address_of(c, "redis", &address);
        assert_string_equal(address.text, "127.0.0.1:46379");
        answers(reach_port(c, "redis", SOCK_STREAM));
        answers(connected(c, "redis"));
        answers(connected(c, "unix:/run/x.sock"));
        mayfly_container_free(c);
        start_fails(MAYFLY_SPEC(.image = image, .idle = 1, .network = MAYFLY_NETWORK_HOST,
                                .publish = MAYFLY_PORTS({ .port = 1, .host_port = 2 })),
                    -EINVAL, "on the network of the host the app's own port is the published one");
}

/* Finds the mayfly-forward of this program's only container. */
static pid_t forward_of(const struct mayfly_container *c)
{
        char path[64], name[32], line[64];
        pid_t leader = mayfly_container_leader(c), launch = 0, found = 0;

        for (pid_t pid = leader; !launch && pid > 1;) {
                snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
                FILE *f = fopen(path, "re");
                assert_non_null(f);
                pid = 0;
                name[0] = '\0';
                while (fgets(line, sizeof(line), f)) {
                        (void) sscanf(line, "Name: %31s", name);
                        (void) sscanf(line, "PPid: %d", &pid);
                }
                fclose(f);
                launch = strcmp(name, "mayfly-launch") == 0 ? (pid_t) atoi(path + 6) : 0;
        }
        snprintf(path, sizeof(path), "pgrep -P %d -x mayfly-forward", (int) launch);
        FILE *f = popen(path, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%d", &found), 1);
        pclose(f);
        return found;
}

static void without_its_forwarder_a_container_ends(void **state)
{
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379"), .publish = MAYFLY_PORTS({ .port = 6379 }));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = -1;

        (void) state;
        await_output(c);
        assert_int_equal(kill(forward_of(c), SIGKILL), 0);
        assert_int_equal(mayfly_container_connect(c, "6379", &fd, &err), -ESRCH);
        if (!strstr(err.message, "mayfly-forward, which connects the container's ports, ended with signal 9"))
                fail_msg("%s", err.message);
        mayfly_container_free(c);
}

/* mayfly-launch has the container's files over /tmp. */
static void the_programs_may_be_below_tmp(void **state)
{
        char directory[] = "/tmp/mayfly-libexec-XXXXXX", line[1024];
        char *libexec = strdup(getenv("MAYFLY_LIBEXEC"));

        (void) state;
        assert_non_null(mkdtemp(directory));
        snprintf(line, sizeof(line), "chmod 755 %s && ln -s '%s'/mayfly-* %s", directory, libexec, directory);
        assert_int_equal(system(line), 0);
        setenv("MAYFLY_LIBEXEC", directory, 1);
        struct mayfly_container *c =
                START(.argv = SERVES("tcp:127.0.0.1:6379"), .publish = MAYFLY_PORTS({ .port = 6379 }));
        await_output(c);
        answers(reach_port(c, "6379", SOCK_STREAM));
        mayfly_container_free(c);
        setenv("MAYFLY_LIBEXEC", libexec, 1);
        free(libexec);
        snprintf(line, sizeof(line), "rm -r %s", directory);
        assert_int_equal(system(line), 0);
}

/* What it answers too late is for nobody, and no later request takes it for its own answer. */
static void a_late_answer_is_nobodys(void **state)
{
        struct mayfly_container *c = START(.entrypoint = SERVES("unix:/run/x.sock"), .wait = MAYFLY_WAIT_NONE,
                                           .publish = MAYFLY_PORTS({ .path = "/run/x.sock", .name = "admin" }));
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        pid_t forward = forward_of(c);
        int fd = -1;

        (void) state;
        await_output(c);
        assert_true(forward > 1);
        assert_int_equal(kill(forward, SIGSTOP), 0);
        assert_int_equal(mayfly_container_connect(c, "admin", &fd, &err), -ETIMEDOUT);
        assert_int_equal(kill(forward, SIGCONT), 0);
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_container_connect(c, "unix:/run/none", &fd, &err), -ENOENT);
        assert_int_equal(fd, -1);
        answers(connected(c, "admin"));
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_published_port_reaches_the_app),
                cmocka_unit_test(a_port_is_found_wherever_the_app_listens),
                cmocka_unit_test(a_port_is_found_at_an_address_of_a_network),
                cmocka_unit_test(packets_are_passed_on),
                cmocka_unit_test(any_user_listens_on_a_low_port),
                cmocka_unit_test(connected_sockets_need_no_port),
                cmocka_unit_test(a_unix_socket_is_published_as_a_port),
                cmocka_unit_test(a_users_own_unix_socket_is_reached),
                cmocka_unit_test(a_running_container_publishes_more),
                cmocka_unit_test(many_ports_are_published_at_once),
                cmocka_unit_test(the_app_learns_the_published_number),
                cmocka_unit_test(a_wanted_number_is_had_or_refused),
                cmocka_unit_test(wrong_ports_are_refused),
                cmocka_unit_test(a_port_that_is_not_there_is_named),
                cmocka_unit_test(an_end_closes_ports_and_connections),
                cmocka_unit_test(a_death_ends_every_connection),
                cmocka_unit_test(on_the_hosts_network_a_port_is_the_apps_own),
                cmocka_unit_test(without_its_forwarder_a_container_ends),
                cmocka_unit_test(a_late_answer_is_nobodys),
                cmocka_unit_test(the_programs_may_be_below_tmp),
        };

        image = serving_image("ports");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
