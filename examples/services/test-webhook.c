/* SPDX-License-Identifier: MIT */

/* A server of the test's own, which a program in the container calls. */

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "services-image.h"

static int listener;
static struct sockaddr_in address = { .sin_family = AF_INET }; /* its port is one that the kernel chooses */
static char request[100];

static int setup(void **state)
{
        socklen_t size = sizeof(address);

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener = socket(AF_INET, SOCK_STREAM, 0);
        if (bind(listener, (void *) &address, size) || listen(listener, 1) ||
            getsockname(listener, (void *) &address, &size))
                return -1;
        return mayfly_cmocka_start(state,
                                   MAYFLY_SPEC(.image = SERVICES_IMAGE, .idle = 1,
                                               .host_ports = MAYFLY_HOST_PORTS({ .port = ntohs(address.sin_port) })));
}

static void *serve_once(void *unused)
{
        int fd = accept(listener, NULL, NULL);

        if (read(fd, request, sizeof(request) - 1) > 0)
                dprintf(fd, "hello from the test\n");
        close(fd);
        return unused;
}

static void the_container_calls_the_test(void **state)
{
        static const char call[] = "bash -c 'exec 3<>/dev/tcp/host.mayfly/%u; echo GET /event >&3; cat <&3'";
        char line[sizeof(call) + 10];
        pthread_t server;

        pthread_create(&server, NULL, serve_once, NULL);
        snprintf(line, sizeof(line), call, ntohs(address.sin_port));
        char *said = mayfly_cmocka_sh(*state, line);
        pthread_join(server, NULL);
        assert_string_equal(request, "GET /event\n");
        assert_string_equal(said, "hello from the test\n");
        free(said);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(the_container_calls_the_test) };

        return cmocka_run_group_tests(tests, setup, mayfly_cmocka_stop);
}
