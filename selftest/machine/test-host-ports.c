/* SPDX-License-Identifier: MIT */

/* Ports of the host that a container reaches. */

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/containers.h"
#include "support/reach.h"
#include "support/small-image.h"

static const char *image;

#define START(...) start_container(MAYFLY_SPEC(.image = image, .idle = 1, __VA_ARGS__))

/* Answers one connection to a port of the host with "from the test". */
static void *serve_one(void *userdata)
{
        int fd = accept(*(int *) userdata, NULL, NULL);

        if (fd >= 0) {
                (void) !write(fd, "from the test\n", 14);
                close(fd);
        }
        return NULL;
}

static void a_container_reaches_the_tests_own_server(void **state)
{
        unsigned port = 0;
        int listener = listen_on_host(&port);
        pthread_t thread;
        char line[64];

        (void) state;
        struct mayfly_container *c = START(.host_ports = MAYFLY_HOST_PORTS({ .port = port }));
        assert_int_equal(pthread_create(&thread, NULL, serve_one, &listener), 0);
        snprintf(line, sizeof(line), "nc host.mayfly %u", port);
        prints_as(c, NULL, line, "from the test\n");
        prints_as(c, NULL, "grep -c localhost /etc/hosts; grep mayfly /etc/hosts", "2\n127.77.70.1\thost.mayfly\n");
        pthread_join(thread, NULL);
        close(listener);
        /* Another port of the host is out of reach. */
        assert_int_not_equal(sh(c, "nc -w 1 host.mayfly 1"), 0);
        mayfly_container_free(c);
}

/* Answers each packet with "from the test", until an empty one comes. */
static void *answer_packets(void *userdata)
{
        struct sockaddr_in client;
        socklen_t size = sizeof(client);
        char packet[64];

        while (recvfrom(*(int *) userdata, packet, sizeof(packet), 0, (struct sockaddr *) &client, &size) > 0)
                (void) !sendto(*(int *) userdata, "from the test\n", 14, 0, (struct sockaddr *) &client, size);
        return NULL;
}

static void a_container_sends_packets_to_the_test(void **state)
{
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
        socklen_t size = sizeof(address);
        int server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        pthread_t thread;
        char line[128];

        (void) state;
        assert_int_equal(bind(server, (struct sockaddr *) &address, size), 0);
        assert_int_equal(getsockname(server, (struct sockaddr *) &address, &size), 0);
        unsigned port = ntohs(address.sin_port);
        struct mayfly_container *c = START(.host_ports = MAYFLY_HOST_PORTS({ .port = port, .protocol = "udp" }));
        assert_int_equal(pthread_create(&thread, NULL, answer_packets, &server), 0);
        snprintf(line, sizeof(line),
                 "a=$(grep -w host.mayfly /etc/hosts | cut -f 1); until talk say $a %u | grep .; do :; done", port);
        prints_as(c, NULL, line, "from the test\n");
        assert_int_equal(sendto(server, "", 0, 0, (struct sockaddr *) &address, size), 0);
        pthread_join(thread, NULL);
        close(server);
        mayfly_container_free(c);
}

static void wrong_ports_of_the_host_are_refused(void **state)
{
        (void) state;
#define REFUSES(code, text, ...) \
        start_fails(MAYFLY_SPEC(.image = image, .idle = 1, .host_ports = MAYFLY_HOST_PORTS(__VA_ARGS__)), code, text)
        REFUSES(-EEXIST, "host_ports has 80/tcp twice", { .port = 80 }, { .port = 80, .protocol = "tcp" });
        REFUSES(-EINVAL, "host_ports has the port number 65536; a port is between 1 and 65535", { .port = 65536 });
        REFUSES(-EINVAL, "host_ports has the port number 0", { .protocol = "udp" });
        REFUSES(-EPROTONOSUPPORT, "has the protocol \"sctp\"; mayfly knows tcp and udp",
                { .port = 1, .protocol = "sctp" });
        /* The same number of both protocols is two ports. */
        mayfly_container_free(
                START(.host_ports = MAYFLY_HOST_PORTS({ .port = 80 }, { .port = 80, .protocol = "udp" })));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_container_reaches_the_tests_own_server),
                cmocka_unit_test(a_container_sends_packets_to_the_test),
                cmocka_unit_test(wrong_ports_of_the_host_are_refused),
        };

        image = small_image("host-ports", NULL, "cp " TALK " bin/");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
