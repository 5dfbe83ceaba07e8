/* SPDX-License-Identifier: MIT */

/* Published ports whose sockets the app itself is handed. */

#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "support/calls.h"
#include "support/containers.h"
#include "support/reach.h"
#include "support/small-image.h"

static const char *image, *with_ports;

/* Writes what it was handed, then serves there. */
#define SERVES                                         \
        .entrypoint = MAYFLY_STRINGS("/bin/sh", "-c"), \
        .argv = MAYFLY_STRINGS("echo names=$LISTEN_FDNAMES; exec serve -d ${DELAY:-0} activated \"$@\"", "sh")

static void answers(int fd)
{
        echoes(fd, "hello");
        close(fd);
}

static void answers_inside(struct mayfly_container *c, const char *port)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        int fd = -1;

        if (mayfly_container_connect(c, port, &fd, &err) < 0)
                fail_msg("%s", err.message);
        answers(fd);
}

/* Nothing listens in the container's own network. */
static void listens_outside(struct mayfly_container *c)
{
        prints_as(c, NULL, "netstat -ltun | grep -cE '^(tcp|udp)'", "0\n");
}

static void the_app_has_the_published_sockets(void **state)
{
        struct mayfly_error err = MAYFLY_ERROR_INIT;
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, SERVES,
                            .publish = MAYFLY_PORTS({ .port = 6379, .activate = 1 },
                                                    { .name = "dns", .port = 53, .protocol = "udp", .activate = 1 },
                                                    { .name = "a name", .port = 80, .activate = 1 })));

        (void) state;
        answers(reach_port(c, "6379", SOCK_STREAM));
        answers(reach_port(c, "dns", SOCK_DGRAM));
        answers(reach_port(c, "80", SOCK_STREAM));
        answers_inside(c, "6379");
        answers_inside(c, "53/udp");
        await_words(c, "names=6379:dns:a name\n");
        listens_outside(c);
        if (mayfly_container_restart(c, &err) < 0) /* new sockets with the same numbers */
                fail_msg("%s", err.message);
        answers(reach_port(c, "6379", SOCK_STREAM));
        answers(reach_port(c, "dns", SOCK_DGRAM));
        mayfly_container_free(c);
}

/* With others, which mayfly-forward has, and from the image's ports. */
static void an_images_port_is_activated_where_the_spec_says_so(void **state)
{
        (void) state;
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = with_ports, SERVES,
                                            .publish = MAYFLY_PORTS({ .name = "web", .activate = 1 },
                                                                    { .port = 5301, .protocol = "udp", .activate = 1 },
                                                                    { .port = 5300, .protocol = "udp" })));
        await_output(c);
        await_words(c, "names=dns:dns:web\n");
        answers(reach_port(c, "web", SOCK_STREAM));
        answers(reach_port(c, "5301/udp", SOCK_DGRAM));
        answers(reach_port(c, "5300/udp", SOCK_DGRAM)); /* through mayfly-forward to a socket inside */
        /* The kernel lists a socket twice when others are opened meanwhile. */
        prints_as(c, NULL, "netstat -ltun | awk '/^(tcp|udp)/ { print $1, $4 }' | sort -u", "udp :::5300\n");
        mayfly_container_free(c);
        /* Without it the sockets are inside. */
        c = start_container(MAYFLY_SPEC(.image = with_ports, SERVES, .publish = MAYFLY_PORTS({ .name = "web" })));
        await_output(c);
        answers(reach_port(c, "web", SOCK_STREAM));
        prints_as(c, NULL, "netstat -lt | grep '^tcp' | sort -u | wc -l", "1\n");
        mayfly_container_free(c);
}

/* Connections wait in the queue, so that a start waits for nothing. */
static void clients_may_come_before_the_app(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, SERVES, .env = MAYFLY_STRINGS("DELAY=300"),
                                            .publish = MAYFLY_PORTS({ .port = 80, .activate = 1 }),
                                            .wait = MAYFLY_WAIT(MAYFLY_WAIT_PORT("80"))));

        (void) state;
        answers(reach_port(c, "80", SOCK_STREAM));
        mayfly_container_free(c);
}

/* Nothing of the host's is left open by the library or by mayfly-init. */
static void the_number_is_free_when_the_app_has_ended(void **state)
{
        struct mayfly_container *c = start_container(
                MAYFLY_SPEC(.image = image, SERVES, .publish = MAYFLY_PORTS({ .port = 80, .activate = 1 })));
        struct mayfly_address address;

        (void) state;
        address_of(c, "80", &address);
        unsigned number = address.port;
        int client = reach_port(c, "80", SOCK_STREAM);
        echoes(client, "hello");
        mayfly_container_free(c);
        assert_true(recv(client, (char[1]){ 0 }, 1, 0) <= 0);
        close(client);
        c = start_container(MAYFLY_SPEC(.image = image, SERVES,
                                        .publish = MAYFLY_PORTS({ .port = 81, .host_port = number, .activate = 1 })));
        answers(reach_port(c, "81", SOCK_STREAM));
        mayfly_container_free(c);
}

/* There the number need not be the app's own. */
static void on_the_hosts_network_too(void **state)
{
        struct mayfly_container *c =
                start_container(MAYFLY_SPEC(.image = image, SERVES, .network = MAYFLY_NETWORK_HOST,
                                            .publish = MAYFLY_PORTS({ .port = 80, .activate = 1 })));
        struct mayfly_address address;

        (void) state;
        address_of(c, "80", &address);
        assert_int_not_equal(address.port, 80);
        answers(reach_port(c, "80", SOCK_STREAM));
        answers_inside(c, "80");
        mayfly_container_free(c);
}

static void what_cannot_be_activated_is_said(void **state)
{
        struct mayfly_publish many[40] = { MAYFLY_PUBLISH_INIT }, later = MAYFLY_PUBLISH_INIT;
        struct mayfly_error err = MAYFLY_ERROR_INIT;

        (void) state;
        start_fails(MAYFLY_SPEC(.image = image, SERVES, .publish = MAYFLY_PORTS({ .path = "/run/x", .activate = 1 })),
                    -EINVAL, "publish has activate for the Unix socket /run/x");
        start_fails(MAYFLY_SPEC(.image = image, .idle = 1, .publish = MAYFLY_PORTS({ .port = 80, .activate = 1 })),
                    -EINVAL, "publish has activate for port 80, but the container runs no app");
        for (unsigned i = 1; i < 34; i++)
                many[i] = (struct mayfly_publish){ .size = sizeof(many[i]), .port = 80 + i, .activate = 1 };
        start_fails(MAYFLY_SPEC(.image = image, SERVES, .publish = many), -E2BIG, "more than 32 ports with activate");
        many[33] = (struct mayfly_publish){ .size = 0 };
        struct mayfly_container *c = start_container(MAYFLY_SPEC(.image = image, SERVES, .publish = many));
        answers(reach_port(c, "112", SOCK_STREAM));
        later.port = 200;
        later.activate = 1;
        assert_int_equal(mayfly_container_publish(c, &later, &err), -EINVAL);
        assert_non_null(strstr(err.message, "the port 200 cannot be published with activate, because the app has"));
        err = (struct mayfly_error) MAYFLY_ERROR_INIT;
        assert_int_equal(mayfly_link_set(c, "112", MAYFLY_LINK(.latency_ms = 1), &err), -ENOTSUP);
        assert_non_null(strstr(err.message, "it is published with activate"));
        mayfly_container_free(c);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_app_has_the_published_sockets),
                cmocka_unit_test(an_images_port_is_activated_where_the_spec_says_so),
                cmocka_unit_test(clients_may_come_before_the_app),
                cmocka_unit_test(the_number_is_free_when_the_app_has_ended),
                cmocka_unit_test(on_the_hosts_network_too),
                cmocka_unit_test(what_cannot_be_activated_is_said),
        };

        image = serving_image("activated");
        with_ports = small_image(
                "activated-ports",
                "{\"exec\":[\"/bin/serve\"],\"user\":\"0\",\"group\":\"0\",\"ports\":["
                "{\"name\":\"dns\",\"protocol\":\"udp\",\"port\":5300,\"count\":2,\"socketActivated\":true},"
                "{\"name\":\"web\",\"protocol\":\"tcp\",\"port\":80,\"socketActivated\":true}]}",
                "cp '" SERVE "' bin/serve");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
