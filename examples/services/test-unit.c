/* SPDX-License-Identifier: MIT */
/* A daemon as it is installed: its unit file, the socket and the D-Bus name that start it, and what systemd does when it crashes. */
#include <stdlib.h>
#include <unistd.h>

#include <mayfly/cmocka.h>

#include "system-image.h"

#define CALL "busctl call com.example.Greeter /com/example/Greeter com.example.Greeter Greet s World"

static int boot(void **state)
{
        return mayfly_cmocka_start(
                state,
                MAYFLY_SPEC(.image = SYSTEM_IMAGE, .boot = 1,
                            .files = MAYFLY_FILES(
                                    { .path = "/usr/bin/greeterd", .source = GREETERD },
                                    { .path = "/etc/systemd/system/greeter.service",
                                      .source = FILES "/greeter.service" },
                                    { .path = "/etc/systemd/system/greeter.socket", .source = FILES "/greeter.socket" },
                                    { .path = "/usr/share/dbus-1/system.d/com.example.Greeter.conf",
                                      .source = FILES "/com.example.Greeter.conf" },
                                    { .path = "/usr/share/dbus-1/system-services/com.example.Greeter.service",
                                      .source = FILES "/com.example.Greeter.service" })));
}

static void its_unit_files_have_no_faults(void **state)
{
        assert_exec_stdout_sh(*state, "", "systemd-analyze verify greeter.service greeter.socket 2>&1");
        assert_exec_ok(*state, "systemctl", "enable", "--now", "greeter.socket");
        assert_exec_stdout_sh(*state, "active\ninactive\n",
                              "systemctl is-active greeter.socket greeter.service || true");
}

static void its_socket_starts_it(void **state)
{
        int fd = mayfly_cmocka_connect(*state, "unix:/run/greeter.sock");
        char said[16] = "";

        assert_int_equal(read(fd, said, sizeof(said) - 1), 6);
        assert_string_equal(said, "hello\n");
        close(fd);
        assert_exec_stdout(*state, "active\n", "systemctl", "is-active", "greeter.service");
}

static void its_name_starts_it(void **state)
{
        assert_exec_ok(*state, "systemctl", "stop", "greeter.service");
        assert_exec_stdout_sh(*state, "s \"hello, World\"\n", CALL);
}

static void it_is_back_after_a_crash(void **state)
{
        assert_exec_ok_sh(*state,
                          "systemctl kill --signal=SEGV greeter.service && "
                          "until systemctl show -P NRestarts greeter.service | grep -qx 1; do sleep 0.01; done");
        assert_exec_stdout_sh(*state, "s \"hello, World\"\n", CALL);
}

int main(void)
{
        const struct CMUnitTest tests[] = { cmocka_unit_test(its_unit_files_have_no_faults),
                                            cmocka_unit_test(its_socket_starts_it),
                                            cmocka_unit_test(its_name_starts_it),
                                            cmocka_unit_test(it_is_back_after_a_crash) };

        return cmocka_run_group_tests(tests, boot, mayfly_cmocka_teardown);
}
