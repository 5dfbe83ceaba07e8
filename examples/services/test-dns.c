/* SPDX-License-Identifier: MIT */
/* A DNS server, dnsmasq, asked by c-ares over UDP. */
#include <arpa/inet.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>

#include <ares.h>
#include <mayfly/cmocka.h>

#include "services-image.h"

static int setup(void **state)
{
        return mayfly_cmocka_start(
                state, MAYFLY_SPEC(.image = SERVICES_IMAGE,
                                   .entrypoint = MAYFLY_STRINGS("dnsmasq", "--keep-in-foreground", "--log-facility=-",
                                                                "--user=root", "--no-resolv",
                                                                "--address=/redis.test/192.0.2.7"),
                                   .publish = MAYFLY_PORTS({ .port = 53, .protocol = "udp" })));
}

static void on_answer(void *userdata, int status, int timeouts, struct hostent *host)
{
        (void) timeouts;
        assert_int_equal(status, ARES_SUCCESS);
        inet_ntop(AF_INET, host->h_addr_list[0], userdata, INET_ADDRSTRLEN);
}

static void a_name_has_an_address(void **state)
{
        char answer[INET_ADDRSTRLEN] = "";
        ares_channel channel;

        assert_int_equal(ares_library_init(ARES_LIB_INIT_ALL), ARES_SUCCESS);
        assert_int_equal(ares_init(&channel), ARES_SUCCESS);
        assert_int_equal(ares_set_servers_ports_csv(channel, mayfly_cmocka_address(*state, "53/udp")), ARES_SUCCESS);
        ares_gethostbyname(channel, "redis.test", AF_INET, on_answer, answer);
        while (!*answer) {
                ares_socket_t fds[ARES_GETSOCK_MAXNUM];
                assert_int_not_equal(ares_getsock(channel, fds, ARES_GETSOCK_MAXNUM), 0);
                poll(&(struct pollfd){ .fd = fds[0], .events = POLLIN }, 1, 1000);
                ares_process_fd(channel, fds[0], ARES_SOCKET_BAD);
        }
        assert_string_equal(answer, "192.0.2.7");
        ares_destroy(channel);
        ares_library_cleanup();
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(a_name_has_an_address, setup,
                                                                            mayfly_cmocka_stop) };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
