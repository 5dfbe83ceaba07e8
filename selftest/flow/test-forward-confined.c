/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/forwarder.h"

/* What mayfly-forward and its child could do to the host if somebody inside took them over. */

static unsigned long long status_of(pid_t pid, const char *name, int base)
{
        char value[256];

        read_status(pid, name, value);
        return strtoull(value, NULL, base);
}

/* What a process has that is confined. */
static void check_confined(pid_t pid, unsigned long long capabilities, const char *root)
{
        struct stat st, expected;
        char path[64];

        assert_int_equal(status_of(pid, "CapEff:", 16), capabilities);
        assert_int_equal(status_of(pid, "CapPrm:", 16), capabilities);
        assert_int_equal(status_of(pid, "CapInh:", 16), 0);
        assert_int_equal(status_of(pid, "CapAmb:", 16), 0);
        assert_int_equal(status_of(pid, "CapBnd:", 16), 0);
        assert_int_equal(status_of(pid, "NoNewPrivs:", 10), 1);
        assert_int_equal(status_of(pid, "Seccomp:", 10), 2); /* a filter */
        assert_int_equal(stat(root, &expected), 0);
        for (int i = 0; i < 2; i++) {
                snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, i ? "cwd" : "root");
                assert_int_equal(stat(path, &st), 0);
                assert_int_equal(st.st_dev, expected.st_dev);
                assert_int_equal(st.st_ino, expected.st_ino);
        }
}

/* The youngest child of a process. Its oldest is the container. */
static pid_t child_of(pid_t pid)
{
        char path[64];
        int child = 0;

        snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int) pid, (int) pid);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        while (fscanf(f, "%d", &child) == 1)
                ;
        fclose(f);
        assert_int_not_equal(child, 0);
        return child;
}

#define DAC_OVERRIDE (1U << 1)
#define NET_BIND_SERVICE (1U << 10)

static void test_privileges(void **state)
{
        struct forwarder *forwarder = *state;

        check_confined(forwarder->pid, DAC_OVERRIDE | NET_BIND_SERVICE, forwarder->root);
        pid_t child = child_of(forwarder->pid);
        /* Its first socket is there when it has been confined. */
        assert_int_equal(forwarder_ask_host_port(forwarder, 1, MF_FORWARD_TCP, 80), 0);
        int client = connect_inside(forwarder, SOCK_STREAM, MF_HOST_ADDRESS, 80);
        char c;
        (void) recv(client, &c, 1, 0);
        close(client);
        check_confined(child, 0, forwarder->root);
}

static void test_privileges_without_host_ports(void **state)
{
        struct mf_forward_request request = { .type = MF_FORWARD_ENTER };
        struct mf_forward_reply reply;
        struct forwarder forwarder;

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        forwarder_send(&forwarder, &request, &forwarder.container, 1);
        assert_int_equal(forwarder_receive(&forwarder, &reply, NULL), 0);
        check_confined(forwarder.pid, DAC_OVERRIDE, forwarder.root);
        assert_int_equal(forwarder_ask_host_port(&forwarder, 1, MF_FORWARD_TCP, 80), -ENOTSUP);
        forwarder_stop(&forwarder);
}

/* The library asks for no such socket; whoever does has taken it over. */
static void test_forbidden_call(void **state)
{
        struct mf_forward_request request = { .type = MF_FORWARD_SOCKET, .domain = AF_PACKET, .socket_type = SOCK_RAW };
        struct forwarder forwarder;

        (void) state;
        alarm(60);
        forwarder_start(&forwarder);
        forwarder_enter(&forwarder);
        forwarder_send(&forwarder, &request, NULL, 0);
        forwarder_expect_signal(&forwarder, SIGSYS);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_privileges, forwarder_set_up, forwarder_tear_down),
                cmocka_unit_test(test_privileges_without_host_ports),
                cmocka_unit_test(test_forbidden_call),
        };

        forwarder_main(argc, argv);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
